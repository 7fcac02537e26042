// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/context.h"

#include <ucs/config/global_opts.h>

#include <cstdlib>
#include <string>

#include "base/log.h"

namespace longhaul::transport {
namespace {

constexpr const char* kPrefix = "LONGHAUL";  // LONGHAUL_UCX_TLS goes before UCX_TLS

struct ConfigCleanup {
  void operator()(ucp_config_t* config) const { ucp_config_release(config); }
};

bool user_set(const char* name) {
  const std::string plain = std::string("UCX_") + name;
  return std::getenv(plain.c_str()) != nullptr || std::getenv((std::string(kPrefix) + "_" + plain).c_str()) != nullptr;
}

void set_default(ucp_config_t* config, const char* name, const char* value) {
  if (user_set(name)) return;
  const ucs_status_t status = ucp_config_modify(config, name, value);
  if (status != UCS_OK) log_debug(fmt::format("ucx: {}={} not accepted: {}", name, value, ucs_status_string(status)));
}

/// UCX prints every reset connection as an error. Its log level is global to the process; there is no other switch.
void quiet_logging() {
  if (!user_set("LOG_LEVEL")) (void)ucs_global_opts_set_value("LOG_LEVEL", "fatal");
}

}  // namespace

Result<ContextHandle> make_context(const UcxOptions& options) {
  quiet_logging();
  ucp_config_t* raw_config = nullptr;
  ucs_status_t status = ucp_config_read(kPrefix, nullptr, &raw_config);
  if (status != UCS_OK) return error(lhSystemError, "ucx: reading the configuration: {}", ucs_status_string(status));
  const std::unique_ptr<ucp_config_t, ConfigCleanup> config(raw_config);
  set_default(raw_config, "TLS", "tcp");
  set_default(raw_config, "SOCKADDR_TLS_PRIORITY", "tcp");
  set_default(raw_config, "CM_USE_ALL_DEVICES", "n");
  set_default(raw_config, "TCP_CONN_NB", "y");
  set_default(raw_config, "RNDV_THRESH", "inf");
  if (options.first_port != 0) {
    const std::string range = fmt::format("{}-{}", options.first_port, options.last_port);
    set_default(raw_config, "TCP_PORT_RANGE", range.c_str());
  }

  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "longhaul";
  ucp_context_h context = nullptr;
  status = ucp_init(&params, raw_config, &context);
  if (status != UCS_OK) {
    return error(lhSystemError, "ucx: initialisation failed: {} (with UCX_TLS set, it must contain tcp)",
                 ucs_status_string(status));
  }
  return ContextHandle(context);
}

}  // namespace longhaul::transport
