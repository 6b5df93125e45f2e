#define SPARROW_KERNELS kernelsAvx2
#define SPARROW_NAME "avx2"
#define SPARROW_TILE 1
#include "kernels.inl"
