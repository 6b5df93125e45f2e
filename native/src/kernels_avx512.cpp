#define SPARROW_KERNELS kernelsAvx512
#define SPARROW_NAME "avx512"
#define SPARROW_TILE 4
#define SPARROW_SAMPLED_COST 2.2f
#include "kernels.inl"
