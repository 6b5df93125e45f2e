#define SPARROW_KERNELS kernelsAvx512
#define SPARROW_NAME "avx512"
#define SPARROW_TILE 4
#include "kernels.inl"
