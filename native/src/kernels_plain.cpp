// The baseline of the architecture: NEON is part of arm64's.
#define SPARROW_KERNELS kernelsPlain
#if defined(__aarch64__)
#define SPARROW_NAME "neon"
#else
#define SPARROW_NAME "plain"
#endif
#define SPARROW_TILE 1
#define SPARROW_SAMPLED_COST 1.2f
#include "kernels.inl"
