/* libcuda.so.1 as far as a version check goes. There is nothing to compute on. */
int cuInit(unsigned flags) { (void)flags; return 100; /* CUDA_ERROR_NO_DEVICE */ }
int cuDriverGetVersion(int *version) { *version = CUDA_VERSION; return 0; }
