/* A libcuda that counts: what is held must be given back. CUDA_STUB says what goes wrong. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int held, retained, current;
static const char *fault(void) { const char *f = getenv("CUDA_STUB"); return f ? f : ""; }
int cuInit(unsigned flags) {
  (void)flags;
  if (!strcmp(fault(), "hang")) sleep(60);
  if (!strcmp(fault(), "crash")) kill(getpid(), SIGKILL);
  return !strcmp(fault(), "no-device") ? 100 : 0;
}
int cuDeviceGetByPCIBusId(int *device, const char *bus) { *device = 7; return strcmp(bus, "0000:c1:00.0") ? 101 : 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &held; retained = device; return device == 7 ? 0 : 101; }
int cuDevicePrimaryCtxRelease_v2(int device) { if (held || device != retained) kill(getpid(), SIGKILL); return 0; }
int cuCtxSetCurrent(void *context) { current = context == &held; return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = (size_t)96 << 30;
  *free = !strcmp(fault(), "full") ? (size_t)100 << 20 : (size_t)7 << 30;
  return current ? 0 : 201;
}
int cuMemAlloc_v2(uint64_t *pointer, size_t size) {
  if (size > (size_t)1 << 30) return 2;
  *pointer = 0x7f0000000000u + held++;
  return 0;
}
int cuMemFree_v2(uint64_t pointer) { (void)pointer; held--; return 0; }
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t size, void *stream) {
  if (to == from || stream || size != (size_t)512 << 20 || held != 2) return 1;
  usleep(1000);
  return !strcmp(fault(), "copy") ? 700 : 0;
}
int cuCtxSynchronize(void) { return 0; }
int cuGetErrorName(int code, const char **text) {
  *text = code == 100 ? "CUDA_ERROR_NO_DEVICE" : code == 101 ? "CUDA_ERROR_INVALID_DEVICE" : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : 0;
  return *text ? 0 : 1;
}
