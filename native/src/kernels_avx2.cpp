#define SPARROW_KERNELS kernelsAvx2
#define SPARROW_NAME "avx2"
#define SPARROW_TILE 1
#define SPARROW_SAMPLED_COST 1.6f
#include "kernels.inl"
