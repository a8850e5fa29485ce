/* What modinfo reads of nvidia.ko, and nothing that a kernel would load: it has no code and no struct module. */
#define INFO(name, text) \
  static const char info_##name[] __attribute__((used, section(".modinfo"), aligned(1))) = #name "=" text
INFO(version, LIBRARY_VERSION);
INFO(license, LICENSE);
INFO(description, "hostproof lab: stands in for NVIDIA's kernel module");
INFO(name, MODULE_NAME);
