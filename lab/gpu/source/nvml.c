/* A stand-in for NVIDIA's libnvidia-ml.so.1: answers from a folder of flat JSON objects instead of a driver.
 *
 * The folder ($HOSTPROOF_NVML_STATE, else /run/hostproof-gpu/nvml) is what the kernel module would be: driver.json says which
 * version is loaded, gpu-N.json what GPU N is. A key that a GPU lacks is "not supported". Set-calls write the file anew, so
 * that they hold for every process until the folder is made again, as a reboot does. lab/gpu/host/lab-gpu makes it.
 * Prototypes and layouts: NVIDIA's nvml.h, API 13 (go-nvml, gen/nvml/nvml.h). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#ifndef LIBRARY_VERSION
#define LIBRARY_VERSION "580.95.05"
#endif
#ifndef CUDA_VERSION
#define CUDA_VERSION 13000
#endif
#define API __attribute__((visibility("default")))
#define MOST_KEYS 160
#define MOST_GPUS 32
#define TEXT 200

typedef int Return;
typedef unsigned int u32;
typedef unsigned long long u64;
enum {
  SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
  INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15, MISMATCH = 18,
  ARGUMENT_VERSION_MISMATCH = 25, UNKNOWN = 999
};

typedef struct { char key[48]; char value[TEXT]; } Pair;
typedef struct { char path[300]; int count; Pair pairs[MOST_KEYS]; } Object;
typedef Object *Device;
static Object driver, gpus[MOST_GPUS];
static int users;

/* ---- flat JSON: one object of texts, whole numbers, true and false */
static const char *folder(void) {
  const char *chosen = getenv("HOSTPROOF_NVML_STATE");
  return chosen ? chosen : "/run/hostproof-gpu/nvml";
}
static const char *string(const char *at, char *out, size_t size) {
  size_t n = 0;
  for (at++; *at && *at != '"'; at++) {
    if (*at == '\\' && at[1]) at++;
    if (n + 1 < size) out[n++] = *at;
  }
  out[n] = 0;
  return *at ? at + 1 : at;
}
static int read_object(Object *o, const char *name) {
  static char text[1 << 16];
  snprintf(o->path, sizeof o->path, "%s/%s", folder(), name);
  FILE *file = fopen(o->path, "r");
  if (!file) return 0;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  o->count = 0;
  for (const char *at = strchr(text, '"'); at && *at && o->count < MOST_KEYS; at = strchr(at, '"')) {
    Pair *pair = &o->pairs[o->count++];
    at = string(at, pair->key, sizeof pair->key);
    at += strspn(at, " \t\r\n:");
    if (*at == '"') { at = string(at, pair->value, sizeof pair->value); continue; }
    size_t n = strcspn(at, ",}\r\n ");
    snprintf(pair->value, sizeof pair->value, "%.*s", (int)(n < TEXT ? n : TEXT - 1), at);
    at += n;
  }
  return 1;
}
static Pair *find(Object *o, const char *key) {
  for (int i = 0; i < o->count; i++) if (!strcmp(o->pairs[i].key, key)) return &o->pairs[i];
  return NULL;
}
static u64 number(Object *o, const char *key, u64 otherwise) {
  Pair *pair = find(o, key);
  if (!pair) return otherwise;
  return !strcmp(pair->value, "true") ? 1 : !strcmp(pair->value, "false") ? 0 : strtoull(pair->value, NULL, 10);
}
static const char *text_of(Object *o, const char *key) {
  Pair *pair = find(o, key);
  return pair ? pair->value : "";
}
static int is_number(const char *value) { return *value && strspn(value, "0123456789") == strlen(value); }
/* One writer at a time, and a reader sees the old file or the new one. */
static Return write_number(Object *o, const char *key, u64 value) {
  char fresh[340];
  snprintf(fresh, sizeof fresh, "%s.lock", o->path);
  int lock = open(fresh, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) return NO_PERMISSION;
  flock(lock, LOCK_EX);
  read_object(o, strrchr(o->path, '/') + 1);
  Pair *pair = find(o, key);
  if (!pair && o->count < MOST_KEYS) {
    pair = &o->pairs[o->count++];
    snprintf(pair->key, sizeof pair->key, "%s", key);
  }
  if (pair) snprintf(pair->value, sizeof pair->value, "%llu", value);
  snprintf(fresh, sizeof fresh, "%s.%d", o->path, (int)getpid());
  FILE *file = fopen(fresh, "w");
  if (file) {
    for (int i = 0; i < o->count; i++) {
      const char *mark = is_number(o->pairs[i].value) ? "" : "\"";
      fprintf(file, "%s\"%s\": %s%s%s", i ? ",\n " : "{", o->pairs[i].key, mark, o->pairs[i].value, mark);
    }
    fputs("}\n", file);
    fclose(file);
    rename(fresh, o->path);
  }
  close(lock);
  return file ? SUCCESS : NO_PERMISSION;
}

/* ---- what every call begins with */
static Return begin(Device d) {
  if (!users) return UNINITIALIZED;
  if (d < gpus || d >= gpus + MOST_GPUS) return INVALID_ARGUMENT;
  if (!read_object(d, strrchr(d->path, '/') + 1)) return GPU_IS_LOST;
  return number(d, "lost", 0) ? GPU_IS_LOST : SUCCESS;
}
#define BEGIN(d) do { Return begun = begin(d); if (begun) return begun; } while (0)
#define NEED(d, key) do { if (!find(d, key)) return NOT_SUPPORTED; } while (0)
static Return give_text(const char *value, char *out, u32 size) {
  if (!*value) return NOT_SUPPORTED;
  if (strlen(value) + 1 > size) return INSUFFICIENT_SIZE;
  strcpy(out, value);
  return SUCCESS;
}
#define GET_U32(function, key) \
  API Return function(Device d, u32 *out) { BEGIN(d); NEED(d, key); *out = (u32)number(d, key, 0); return SUCCESS; }
#define GET_TEXT(function, key) \
  API Return function(Device d, char *out, u32 size) { BEGIN(d); return give_text(text_of(d, key), out, size); }
#define ALSO(name, result, arguments, call) API result name arguments { return call; }

/* ---- the library and the system */
API Return nvmlInitWithFlags(u32 flags) {
  (void)flags;
  if (!read_object(&driver, "driver.json") || !*text_of(&driver, "loaded")) return DRIVER_NOT_LOADED;
  Return refused = (Return)number(&driver, "init_error", 0);
  if (refused) return refused;
  if (strcmp(text_of(&driver, "loaded"), LIBRARY_VERSION)) return MISMATCH;
  users++;
  return SUCCESS;
}
ALSO(nvmlInit_v2, Return, (void), nvmlInitWithFlags(0))
ALSO(nvmlInit, Return, (void), nvmlInitWithFlags(0))
API Return nvmlShutdown(void) { return users ? (users--, SUCCESS) : UNINITIALIZED; }
API const char *nvmlErrorString(Return code) {
  switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case FUNCTION_NOT_FOUND: return "Function Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    case MISMATCH: return "Driver/library version mismatch";
    case ARGUMENT_VERSION_MISMATCH: return "Argument version mismatch";
    default: return "Unknown Error";
  }
}
API Return nvmlSystemGetDriverVersion(char *out, u32 size) {
  return users ? give_text(text_of(&driver, "loaded"), out, size) : UNINITIALIZED;
}
API Return nvmlSystemGetNVMLVersion(char *out, u32 size) { return give_text("13." LIBRARY_VERSION, out, size); }
API Return nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = CUDA_VERSION; return SUCCESS; }
ALSO(nvmlSystemGetCudaDriverVersion, Return, (int *out), nvmlSystemGetCudaDriverVersion_v2(out))
API Return nvmlDeviceGetCount_v2(u32 *out) {
  if (!users) return UNINITIALIZED;
  *out = (u32)number(&driver, "count", 0);
  return SUCCESS;
}
ALSO(nvmlDeviceGetCount, Return, (u32 *out), nvmlDeviceGetCount_v2(out))
API Return nvmlDeviceGetHandleByIndex_v2(u32 index, Device *out) {
  char name[32];
  if (!users) return UNINITIALIZED;
  if (index >= number(&driver, "count", 0) || index >= MOST_GPUS) return INVALID_ARGUMENT;
  snprintf(name, sizeof name, "gpu-%u.json", index);
  if (!read_object(&gpus[index], name)) return GPU_IS_LOST;
  *out = &gpus[index];
  return begin(*out);
}
ALSO(nvmlDeviceGetHandleByIndex, Return, (u32 index, Device *out), nvmlDeviceGetHandleByIndex_v2(index, out))
static Return handle_by(const char *key, const char *wanted, Device *out) {
  u32 count = 0;
  Return said = nvmlDeviceGetCount_v2(&count);
  if (said) return said;
  for (u32 index = 0; index < count; index++) {
    said = nvmlDeviceGetHandleByIndex_v2(index, out);
    if (!strcasecmp(text_of(&gpus[index], key), wanted)) return said;
  }
  return NOT_FOUND;
}
API Return nvmlDeviceGetHandleByUUID(const char *uuid, Device *out) { return handle_by("uuid", uuid, out); }
API Return nvmlDeviceGetHandleByPciBusId_v2(const char *bus, Device *out) { return handle_by("bus_id", bus, out); }

/* ---- what a GPU is */
API Return nvmlDeviceGetIndex(Device d, u32 *out) { BEGIN(d); *out = (u32)(d - gpus); return SUCCESS; }
ALSO(nvmlDeviceGetMinorNumber, Return, (Device d, u32 *out), nvmlDeviceGetIndex(d, out))
GET_TEXT(nvmlDeviceGetName, "name")
GET_TEXT(nvmlDeviceGetUUID, "uuid")
GET_TEXT(nvmlDeviceGetSerial, "serial")
GET_TEXT(nvmlDeviceGetVbiosVersion, "vbios")
API Return nvmlDeviceGetGspFirmwareMode(Device d, u32 *enabled, u32 *preset) {
  BEGIN(d); NEED(d, "gsp_mode");
  *enabled = *preset = (u32)number(d, "gsp_mode", 0);
  return SUCCESS;
}
/* The firmware comes with the module that is loaded. */
API Return nvmlDeviceGetGspFirmwareVersion(Device d, char *out) {
  BEGIN(d); NEED(d, "gsp_mode");
  return give_text(text_of(&driver, "loaded"), out, 64);
}
GET_U32(nvmlDeviceGetBrand, "brand")
GET_U32(nvmlDeviceGetArchitecture, "architecture")
API Return nvmlDeviceGetCudaComputeCapability(Device d, int *major, int *minor) {
  BEGIN(d); NEED(d, "compute_major");
  *major = (int)number(d, "compute_major", 0);
  *minor = (int)number(d, "compute_minor", 0);
  return SUCCESS;
}
typedef struct { char legacy[16]; u32 domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
API Return nvmlDeviceGetPciInfo_v3(Device d, Pci *out) {
  BEGIN(d); NEED(d, "bus_id");
  memset(out, 0, sizeof *out);
  const char *bus_id = text_of(d, "bus_id");
  snprintf(out->bus_id, sizeof out->bus_id, "%s", bus_id);
  snprintf(out->legacy, sizeof out->legacy, "%s", strlen(bus_id) > 4 ? bus_id + 4 : "");
  sscanf(bus_id, "%x:%x:%x", &out->domain, &out->bus, &out->device);
  out->id = (u32)number(d, "pci_device_id", 0);
  out->subsystem = (u32)number(d, "pci_subsystem_id", 0);
  return SUCCESS;
}
ALSO(nvmlDeviceGetPciInfo_v2, Return, (Device d, Pci *out), nvmlDeviceGetPciInfo_v3(d, out))
ALSO(nvmlDeviceGetPciInfo, Return, (Device d, Pci *out), nvmlDeviceGetPciInfo_v3(d, out))

/* ---- memory: total, free, used, in this order; the second form has a version before and reserved after total */
typedef struct { u64 total, free, used; } Memory;
typedef struct { u32 version; u64 total, reserved, free, used; } MemoryV2;
API Return nvmlDeviceGetMemoryInfo(Device d, Memory *out) {
  BEGIN(d); NEED(d, "vram_bytes");
  out->total = number(d, "vram_bytes", 0);
  out->used = number(d, "vram_used_bytes", 0);
  out->free = out->total - out->used;
  return SUCCESS;
}
#ifndef OLD_LIBRARY
API Return nvmlDeviceGetMemoryInfo_v2(Device d, MemoryV2 *out) {
  BEGIN(d); NEED(d, "vram_reserved_bytes");
  if (out->version != (sizeof *out | 2u << 24)) return ARGUMENT_VERSION_MISMATCH;
  out->total = number(d, "vram_bytes", 0);
  out->reserved = number(d, "vram_reserved_bytes", 0);
  out->used = number(d, "vram_used_bytes", 0);
  out->free = out->total - out->reserved - out->used;
  return SUCCESS;
}
#endif
API Return nvmlDeviceGetBAR1MemoryInfo(Device d, Memory *out) {
  BEGIN(d); NEED(d, "bar1_bytes");
  out->total = number(d, "bar1_bytes", 0);
  out->used = number(d, "bar1_used_bytes", 0);
  out->free = out->total - out->used;
  return SUCCESS;
}

/* ---- link, clocks, temperature, errors */
GET_U32(nvmlDeviceGetCurrPcieLinkGeneration, "link_generation")
GET_U32(nvmlDeviceGetCurrPcieLinkWidth, "link_width")
GET_U32(nvmlDeviceGetMaxPcieLinkGeneration, "link_maximum_generation")
GET_U32(nvmlDeviceGetGpuMaxPcieLinkGeneration, "link_card_generation")
GET_U32(nvmlDeviceGetMaxPcieLinkWidth, "link_maximum_width")
GET_U32(nvmlDeviceGetPcieReplayCounter, "link_replays")
GET_U32(nvmlDeviceGetPerformanceState, "performance_state")
GET_U32(nvmlDeviceGetComputeMode, "compute_mode")
GET_U32(nvmlDeviceGetMemoryBusWidth, "memory_bus_bits")
GET_U32(nvmlDeviceGetNumaNodeId, "numa_node")
GET_U32(nvmlDeviceGetFanSpeed, "fan_percent")
static const char *const clocks[] = {"clock_graphics", "clock_sm", "clock_memory", "clock_video"};
static Return clock_of(Device d, int kind, const char *suffix, u32 *out) {
  char key[64];
  BEGIN(d);
  if (kind < 0 || kind > 3) return INVALID_ARGUMENT;
  snprintf(key, sizeof key, "%s%s", clocks[kind], suffix);
  NEED(d, key);
  *out = (u32)number(d, key, 0);
  return SUCCESS;
}
API Return nvmlDeviceGetClockInfo(Device d, int kind, u32 *out) { return clock_of(d, kind, "", out); }
API Return nvmlDeviceGetMaxClockInfo(Device d, int kind, u32 *out) { return clock_of(d, kind, "_maximum", out); }
API Return nvmlDeviceGetCurrentClocksThrottleReasons(Device d, u64 *out) {
  BEGIN(d); NEED(d, "event_reasons");
  *out = number(d, "event_reasons", 0);
  return SUCCESS;
}
#ifndef OLD_LIBRARY
ALSO(nvmlDeviceGetCurrentClocksEventReasons, Return, (Device d, u64 *out), nvmlDeviceGetCurrentClocksThrottleReasons(d, out))
#endif
typedef struct { u32 gpu, memory; } Utilization;
API Return nvmlDeviceGetUtilizationRates(Device d, Utilization *out) {
  BEGIN(d); NEED(d, "utilization");
  out->gpu = (u32)number(d, "utilization", 0);
  out->memory = (u32)number(d, "utilization_memory", 0);
  return SUCCESS;
}
API Return nvmlDeviceGetTemperature(Device d, int sensor, u32 *out) {
  BEGIN(d); NEED(d, "temperature");
  if (sensor) return INVALID_ARGUMENT;
  *out = (u32)number(d, "temperature", 0);
  return SUCCESS;
}
typedef struct { u32 version; int sensor, celsius; } Temperature;
API Return nvmlDeviceGetTemperatureV(Device d, Temperature *out) {
  return nvmlDeviceGetTemperature(d, out->sensor, (u32 *)&out->celsius);
}
static Return now_and_pending(Device d, const char *now, const char *pending, u32 *a, u32 *b) {
  BEGIN(d); NEED(d, now);
  *a = (u32)number(d, now, 0);
  *b = (u32)number(d, pending, *a);
  return SUCCESS;
}
API Return nvmlDeviceGetEccMode(Device d, u32 *a, u32 *b) { return now_and_pending(d, "ecc", "ecc_pending", a, b); }
API Return nvmlDeviceGetMigMode(Device d, u32 *a, u32 *b) { return now_and_pending(d, "mig", "mig_pending", a, b); }
API Return nvmlDeviceGetTotalEccErrors(Device d, int uncorrected, int lifetime, u64 *out) {
  (void)lifetime;
  BEGIN(d);
  if (!number(d, "ecc", 0)) return NOT_SUPPORTED;
  *out = number(d, uncorrected ? "ecc_uncorrected" : "ecc_corrected", 0);
  return SUCCESS;
}

/* ---- power */
GET_U32(nvmlDeviceGetPersistenceMode, "persistence")
GET_U32(nvmlDeviceGetPowerManagementLimit, "power_limit_mw")
GET_U32(nvmlDeviceGetPowerManagementDefaultLimit, "power_default_mw")
GET_U32(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw")
API Return nvmlDeviceGetPowerManagementMode(Device d, u32 *out) {
  BEGIN(d);
  *out = find(d, "power_limit_mw") != NULL;
  return SUCCESS;
}
/* A card draws what it wants, and never more than its limit. */
API Return nvmlDeviceGetPowerUsage(Device d, u32 *out) {
  BEGIN(d); NEED(d, "power_mw");
  u64 wanted = number(d, "power_mw", 0), limit = number(d, "power_limit_mw", wanted);
  *out = (u32)(wanted < limit ? wanted : limit);
  return SUCCESS;
}
API Return nvmlDeviceGetTotalEnergyConsumption(Device d, u64 *out) {
  u32 milliwatts = 0;
  BEGIN(d); NEED(d, "energy_mj");
  nvmlDeviceGetPowerUsage(d, &milliwatts);
  u64 now = (u64)time(NULL), since = number(d, "loaded_at", now);
  *out = number(d, "energy_mj", 0) + (now > since ? (now - since) * milliwatts : 0);
  return SUCCESS;
}
API Return nvmlDeviceGetPowerManagementLimitConstraints(Device d, u32 *lowest, u32 *highest) {
  BEGIN(d); NEED(d, "power_min_mw");
  *lowest = (u32)number(d, "power_min_mw", 0);
  *highest = (u32)number(d, "power_max_mw", 0);
  return SUCCESS;
}
static Return may_set(void) { return geteuid() ? NO_PERMISSION : SUCCESS; }
#define MAY_SET(d) do { BEGIN(d); if (may_set()) return NO_PERMISSION; } while (0)
API Return nvmlDeviceSetPersistenceMode(Device d, int on) {
  MAY_SET(d); NEED(d, "persistence");
  return on == 0 || on == 1 ? write_number(d, "persistence", (u64)on) : INVALID_ARGUMENT;
}
API Return nvmlDeviceSetPowerManagementLimit(Device d, u32 milliwatts) {
  MAY_SET(d); NEED(d, "power_limit_mw");
  if (number(d, "power_refused", 0)) return (Return)number(d, "power_refused", 0);
  if (milliwatts < number(d, "power_min_mw", 0) || milliwatts > number(d, "power_max_mw", 0)) return INVALID_ARGUMENT;
  return write_number(d, "power_limit_mw", milliwatts);
}
typedef struct { u32 version, scope, milliwatts; } PowerValue;
API Return nvmlDeviceSetPowerManagementLimit_v2(Device d, PowerValue *value) {
  return value->scope ? NOT_SUPPORTED : nvmlDeviceSetPowerManagementLimit(d, value->milliwatts);
}
API Return nvmlDeviceSetGpuLockedClocks(Device d, u32 lowest, u32 highest) {
  MAY_SET(d); NEED(d, "clock_graphics_maximum");
  if (lowest > highest || highest > number(d, "clock_graphics_maximum", 0)) return INVALID_ARGUMENT;
  Return said = write_number(d, "locked_lowest_mhz", lowest);
  return said ? said : write_number(d, "locked_highest_mhz", highest);
}
API Return nvmlDeviceResetGpuLockedClocks(Device d) {
  MAY_SET(d);
  Return said = write_number(d, "locked_lowest_mhz", 0);
  return said ? said : write_number(d, "locked_highest_mhz", 0);
}
API Return nvmlDeviceSetMemoryLockedClocks(Device d, u32 lowest, u32 highest) {
  MAY_SET(d); NEED(d, "clock_memory_maximum");
  if (lowest > highest || highest > number(d, "clock_memory_maximum", 0)) return INVALID_ARGUMENT;
  return write_number(d, "locked_memory_mhz", highest);
}
API Return nvmlDeviceResetMemoryLockedClocks(Device d) { MAY_SET(d); return write_number(d, "locked_memory_mhz", 0); }

/* ---- processes: process0_pid, process0_bytes, and so on */
typedef struct { u32 pid; u64 bytes; u32 gpu_instance, compute_instance; } Process;
API Return nvmlDeviceGetComputeRunningProcesses_v3(Device d, u32 *count, Process *out) {
  char key[32];
  u32 room = *count, found = 0;
  BEGIN(d);
  for (u32 i = 0; i < 16; i++) {
    snprintf(key, sizeof key, "process%u_pid", i);
    if (!number(d, key, 0)) continue;
    if (out && found < room) {
      out[found] = (Process){(u32)number(d, key, 0), 0, ~0u, ~0u};
      snprintf(key, sizeof key, "process%u_bytes", i);
      out[found].bytes = number(d, key, 0);
    }
    found++;
  }
  *count = found;
  return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
API Return nvmlDeviceGetGraphicsRunningProcesses_v3(Device d, u32 *count, Process *out) {
  (void)out;
  BEGIN(d);
  *count = 0;
  return SUCCESS;
}
typedef struct { u32 field, scope; long long at, took; int kind; Return said; u64 value; } Field;
API Return nvmlDeviceGetFieldValues(Device d, int count, Field *fields) {
  BEGIN(d);
  for (int i = 0; i < count; i++) fields[i].said = NOT_SUPPORTED;
  return SUCCESS;
}
