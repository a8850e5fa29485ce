/* nvidia-smi as far as scripts use it: -L, --query-gpu=… --format=csv, -pm, -pl, -lgc, -rgc, -i, --version, and a short table. */
#include <unistd.h>

#include "binding.h"

static char output[256];
static const char *given(const char *format, double value) { snprintf(output, sizeof output, format, value); return output; }
static const char *text(Device d, const char *function) {
  int said = ((int (*)(Device, char *, u32))call(function))(d, output, (u32)sizeof output);
  return said == 15 ? "[GPU is lost]" : said ? "[N/A]" : output;
}
static const char *counted(Device d, const char *function, const char *format, double scale) {
  u32 value = 0;
  int said = ((int (*)(Device, u32 *))call(function))(d, &value);
  return said == 15 ? "[GPU is lost]" : said ? "[N/A]" : given(format, value * scale);
}
static const char *mode(Device d, const char *function, int pending) {
  u32 now = 0, later = 0;
  int said = ((int (*)(Device, u32 *, u32 *))call(function))(d, &now, &later);
  return said ? "[N/A]" : (pending ? later : now) ? "Enabled" : "Disabled";
}
static const char *constraint(Device d, int highest) {
  u32 both[2] = {0, 0};
  return NVML("DeviceGetPowerManagementLimitConstraints", d, &both[0], &both[1]) ? "[N/A]" : given("%.2f W", both[highest] / 1000.0);
}
static const char *memory(Device d, int which) {
  u64 found[3] = {0, 0, 0};
  return NVML("DeviceGetMemoryInfo", d, found) ? "[N/A]" : given("%.0f MiB", (double)(found[which] >> 20));
}
static const char *clock_of(Device d, const char *function, int kind) {
  u32 value = 0;
  return ((int (*)(Device, int, u32 *))call(function))(d, kind, &value) ? "[N/A]" : given("%.0f MHz", value);
}
static const char *field(Device d, u32 index, const char *name) {
  u32 value = 0;
#define IS(word) (!strcmp(name, word))
  if (IS("index")) return given("%.0f", index);
  if (IS("name") || IS("gpu_name")) return text(d, "nvmlDeviceGetName");
  if (IS("uuid") || IS("gpu_uuid")) return text(d, "nvmlDeviceGetUUID");
  if (IS("vbios_version")) return text(d, "nvmlDeviceGetVbiosVersion");
  if (IS("driver_version")) { NVML("SystemGetDriverVersion", output, (u32)sizeof output); return output; }
  if (IS("pci.bus_id") || IS("gpu_bus_id")) {
    struct { char legacy[16]; u32 numbers[5]; char bus_id[32]; } pci;
    if (NVML("DeviceGetPciInfo_v3", d, &pci)) return "[N/A]";
    snprintf(output, sizeof output, "%s", pci.bus_id);
    return output;
  }
  if (IS("compute_cap")) {
    int major = 0, minor = 0;
    if (NVML("DeviceGetCudaComputeCapability", d, &major, &minor)) return "[N/A]";
    snprintf(output, sizeof output, "%d.%d", major, minor);
    return output;
  }
  if (IS("memory.total")) return memory(d, 0);
  if (IS("memory.free")) return memory(d, 1);
  if (IS("memory.used")) return memory(d, 2);
  if (IS("persistence_mode")) {
    if (NVML("DeviceGetPersistenceMode", d, &value)) return "[N/A]";
    return value ? "Enabled" : "Disabled";
  }
  if (IS("power.limit")) return counted(d, "nvmlDeviceGetPowerManagementLimit", "%.2f W", 0.001);
  if (IS("enforced.power.limit")) return counted(d, "nvmlDeviceGetEnforcedPowerLimit", "%.2f W", 0.001);
  if (IS("power.default_limit")) return counted(d, "nvmlDeviceGetPowerManagementDefaultLimit", "%.2f W", 0.001);
  if (IS("power.draw")) return counted(d, "nvmlDeviceGetPowerUsage", "%.2f W", 0.001);
  if (IS("power.min_limit")) return constraint(d, 0);
  if (IS("power.max_limit")) return constraint(d, 1);
  if (IS("pcie.link.gen.current")) return counted(d, "nvmlDeviceGetCurrPcieLinkGeneration", "%.0f", 1);
  if (IS("pcie.link.gen.max")) return counted(d, "nvmlDeviceGetMaxPcieLinkGeneration", "%.0f", 1);
  if (IS("pcie.link.gen.gpumax")) return counted(d, "nvmlDeviceGetGpuMaxPcieLinkGeneration", "%.0f", 1);
  if (IS("pcie.link.width.current")) return counted(d, "nvmlDeviceGetCurrPcieLinkWidth", "%.0f", 1);
  if (IS("pcie.link.width.max")) return counted(d, "nvmlDeviceGetMaxPcieLinkWidth", "%.0f", 1);
  if (IS("pstate")) return counted(d, "nvmlDeviceGetPerformanceState", "P%.0f", 1);
  if (IS("ecc.mode.current")) return mode(d, "nvmlDeviceGetEccMode", 0);
  if (IS("ecc.mode.pending")) return mode(d, "nvmlDeviceGetEccMode", 1);
  if (IS("mig.mode.current")) return mode(d, "nvmlDeviceGetMigMode", 0);
  if (IS("clocks.sm")) return clock_of(d, "nvmlDeviceGetClockInfo", 1);
  if (IS("clocks.mem")) return clock_of(d, "nvmlDeviceGetClockInfo", 2);
  if (IS("clocks.max.sm")) return clock_of(d, "nvmlDeviceGetMaxClockInfo", 1);
  if (IS("clocks.max.mem")) return clock_of(d, "nvmlDeviceGetMaxClockInfo", 2);
  if (IS("temperature.gpu")) {
    return NVML("DeviceGetTemperature", d, 0, &value) ? "[N/A]" : given("%.0f", value);
  }
  if (IS("utilization.gpu")) {
    u32 both[2] = {0, 0};
    return NVML("DeviceGetUtilizationRates", d, both) ? "[N/A]" : given("%.0f %%", both[0]);
  }
  if (IS("clocks_event_reasons.active") || IS("clocks_throttle_reasons.active")) {
    u64 bits = 0;
    if (NVML("DeviceGetCurrentClocksThrottleReasons", d, &bits)) return "[N/A]";
    snprintf(output, sizeof output, "0x%016llx", bits);
    return output;
  }
  printf("Field \"%s\" is not a valid field to query.\n", name);
  exit(2);
}
/* nounits: all that follows the number, unless it is a text. */
static void show(const char *value, int units) {
  size_t digits = strspn(value, "0123456789.");
  const char *unit = value + digits;
  int bare = !units && digits && (!strcmp(unit, " W") || !strcmp(unit, " MiB") || !strcmp(unit, " MHz") || !strcmp(unit, " %"));
  printf("%.*s", (int)(bare ? digits : strlen(value)), value);
}
static void query(Device d, u32 index, const char *fields, int units) {
  char copy[2000];
  snprintf(copy, sizeof copy, "%s", fields);
  const char *before = "";
  for (char *name = strtok(copy, ", "); name; name = strtok(NULL, ", "), before = ", ") {
    printf("%s", before);
    show(field(d, index, name), units);
  }
  puts("");
}
static int ended(int said, const char *what, const char *bus_id) {
  if (!said) return 0;
  if (said == 4) printf("Unable to %s for GPU %s: Insufficient Permissions\nTerminating early due to previous errors.\n", what, bus_id);
  else printf("Unable to %s for GPU %s: %s\n", what, bus_id, error_text(said));
  return said > 255 ? 255 : said;
}
static int limit(Device d, const char *watts, const char *bus_id) {
  u32 both[2] = {0, 0};
  u32 wanted = (u32)(atof(watts) * 1000 + 0.5);
  int known = !NVML("DeviceGetPowerManagementLimitConstraints", d, &both[0], &both[1]);
  if (known && (wanted < both[0] || wanted > both[1])) {
    printf("Provided power limit %.2f W is not a valid power limit which should be between %.2f W and %.2f W for GPU %s\n"
           "Terminating early due to previous errors.\n", wanted / 1000.0, both[0] / 1000.0, both[1] / 1000.0, bus_id);
    return 2;
  }
  int said = NVML("DeviceSetPowerManagementLimit", d, wanted);
  if (said == 3) { printf("Changing power management limit is not supported for GPU: %s.\nTreating as warning and moving on.\n", bus_id); return 0; }
  if (!said) printf("Power limit for GPU %s was set to %.2f W.\n", bus_id, wanted / 1000.0);
  return ended(said, "set power limit", bus_id);
}

int main(int count, char **words) {
  const char *fields = NULL, *format = "", *chosen = NULL, *persistence = NULL, *power = NULL, *lock = NULL;
  int list = 0, unlock = 0, version = 0;
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    const char *next = i + 1 < count ? words[i + 1] : "";
    if (!strcmp(word, "-L") || !strcmp(word, "--list-gpus")) list = 1;
    else if (!strncmp(word, "--query-gpu=", 12)) fields = word + 12;
    else if (!strncmp(word, "--format=", 9)) format = word + 9;
    else if (!strncmp(word, "--id=", 5)) chosen = word + 5;
    else if (!strcmp(word, "--version")) version = 1;
    else if (!strcmp(word, "-rgc")) unlock = 1;
    else if (!strcmp(word, "-i")) chosen = next, i++;
    else if (!strcmp(word, "-pm")) persistence = next, i++;
    else if (!strcmp(word, "-pl")) power = next, i++;
    else if (!strcmp(word, "-lgc")) lock = next, i++;
    else { printf("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n(hostproof's stand-in does not know %s)\n", word); return 1; }
  }
  open_nvml();
  if (version) { printf("NVIDIA-SMI version  : %s\nDRIVER version      : %s\n", LIBRARY_VERSION, field(NULL, 0, "driver_version")); return 0; }
  u32 gpus = 0;
  NVML("DeviceGetCount_v2", &gpus);
  if (!gpus) { puts("No devices were found"); return 6; }
  if (fields && !strstr(format, "noheader")) puts(fields);
  int worst = 0, matched = 0;
  for (u32 index = 0; index < gpus; index++) {
    Device d = NULL;
    int said = NVML("DeviceGetHandleByIndex_v2", index, &d);
    if (said) { printf("Unable to determine the device handle for GPU%u: %s\n", index, error_text(said)); worst = said; continue; }
    char number[12], uuid[96], bus_id[40];
    snprintf(number, sizeof number, "%u", index);
    snprintf(uuid, sizeof uuid, "%s", text(d, "nvmlDeviceGetUUID"));
    snprintf(bus_id, sizeof bus_id, "%s", field(d, index, "pci.bus_id"));
    if (chosen && strcmp(chosen, number) && strcmp(chosen, uuid) && strcasecmp(chosen, bus_id)) continue;
    matched = 1;
    if (list) printf("GPU %u: %s (UUID: %s)\n", index, text(d, "nvmlDeviceGetName"), uuid);
    else if (fields) query(d, index, fields, !strstr(format, "nounits"));
    else if (persistence) {
      int done = ended(NVML("DeviceSetPersistenceMode", d, atoi(persistence)), "set persistence mode", bus_id);
      if (!done) printf("%s persistence mode for GPU %s.\n", atoi(persistence) ? "Enabled" : "Disabled", bus_id);
      worst = done ? done : worst;
    } else if (power) { int done = limit(d, power, bus_id); worst = done ? done : worst; }
    else if (lock) {
      u32 lowest = 0, highest = 0;
      if (sscanf(lock, "%u,%u", &lowest, &highest) == 1) highest = lowest;
      int done = ended(NVML("DeviceSetGpuLockedClocks", d, lowest, highest), "set GPU clocks", bus_id);
      if (!done) printf("GPU clocks set to \"(gpuClkMin %u, gpuClkMax %u)\" for GPU %s\n", lowest, highest, bus_id);
      worst = done ? done : worst;
    } else if (unlock) {
      int done = ended(NVML("DeviceResetGpuLockedClocks", d), "reset GPU clocks", bus_id);
      worst = done ? done : worst;
    } else {
      printf("| %u  %s  %s", index, text(d, "nvmlDeviceGetName"), bus_id);
      printf("  %s", field(d, index, "power.draw"));
      printf(" / %s", field(d, index, "power.limit"));
      printf("  %s", field(d, index, "memory.used"));
      printf(" / %s |\n", field(d, index, "memory.total"));
    }
  }
  if (chosen && !matched && !worst) { puts("No devices were found"); return 6; }
  return worst > 255 ? 255 : worst;
}
