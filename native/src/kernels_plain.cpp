// The baseline of the architecture: NEON is part of arm64's.
#define SPARROW_KERNELS kernelsPlain
#if defined(__aarch64__)
#define SPARROW_NAME "neon"
#else
#define SPARROW_NAME "plain"
#endif
#define SPARROW_TILE 1
#include "kernels.inl"
