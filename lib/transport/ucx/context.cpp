// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/context.h"

#include <cstdlib>
#include <string>

#include "base/log.h"

namespace longhaul::transport {
namespace {

constexpr const char* kPrefix = "LONGHAUL";  // LONGHAUL_UCX_TLS goes before UCX_TLS

struct ConfigCleanup {
  void operator()(ucp_config_t* config) const { ucp_config_release(config); }
};

/// Before 1.17 ucp_config_modify wants a transport's settings without the transport's prefix (UCX_TCP_CONN_NB is
/// CONN_NB), from 1.17 on with it; a wrong name is ignored with a warning. The loaded library counts, not the headers.
std::string tcp_setting(const std::string& name) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return major > 1 || minor >= 17 ? "TCP_" + name : name;
}

/// `variable` is the part after UCX_, `key` the same for ucp_config_modify.
void set_default(ucp_config_t* config, const std::string& variable, const std::string& key, const std::string& value) {
  const std::string global = "UCX_" + variable;
  const char* ours = std::getenv((std::string(kPrefix) + "_" + global).c_str());
  if (ours == nullptr && std::getenv(global.c_str()) != nullptr) return;
  const ucs_status_t status = ucp_config_modify(config, key.c_str(), ours != nullptr ? ours : value.c_str());
  if (status != UCS_OK)
    log_warn(fmt::format("ucx does not take {}={}: {}", variable, value, ucs_status_string(status)));
}

void set_defaults(ucp_config_t* config, const UcxOptions& options) {
  set_default(config, "LOG_LEVEL", "LOG_LEVEL", "fatal");
  set_default(config, "TLS", "TLS", "tcp");
  set_default(config, "SOCKADDR_TLS_PRIORITY", "SOCKADDR_TLS_PRIORITY", "tcp");
  set_default(config, "CM_USE_ALL_DEVICES", "CM_USE_ALL_DEVICES", "n");
  set_default(config, "RNDV_THRESH", "RNDV_THRESH", "inf");
  set_default(config, "ZCOPY_THRESH", "ZCOPY_THRESH", "inf");
  set_default(config, "TCP_TX_SEG_SIZE", tcp_setting("TX_SEG_SIZE"), "64kb");
  set_default(config, "TCP_CONN_NB", tcp_setting("CONN_NB"), "y");
  if (options.first_port == 0) return;
  set_default(config, "TCP_PORT_RANGE", tcp_setting("PORT_RANGE"),
              fmt::format("{}-{}", options.first_port, options.last_port));
}

}  // namespace

Result<ContextHandle> make_context(const UcxOptions& options) {
  ucp_config_t* raw_config = nullptr;
  ucs_status_t status = ucp_config_read(kPrefix, nullptr, &raw_config);
  if (status != UCS_OK) return error(lhSystemError, "ucx: reading the configuration: {}", ucs_status_string(status));
  const std::unique_ptr<ucp_config_t, ConfigCleanup> config(raw_config);
  set_defaults(raw_config, options);

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
