// SPDX-License-Identifier: Apache-2.0
#include "emulate/site.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace longhaul::emulate {
namespace {

constexpr const char* kDevice = "wan0";
/// The emulator's queue is the link's; the device's own must never be the one that drops.
constexpr int kDeviceQueue = 10000;

Status system_error(const std::string& what) { return error(lhSystemError, "{}: {}", what, std::strerror(errno)); }

Status write_file(const char* path, const std::string& text) {
  const Fd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file.valid() || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return system_error(fmt::format("writing {}", path));
  return {};
}

Result<Fd> open_tun() {
  Fd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!tun.valid())
    return error(lhSystemError,
                 "opening /dev/net/tun: {} (the emulator needs TUN devices: run it as root, load the module 'tun', or ask for "
                 "access to /dev/net/tun)",
                 std::strerror(errno));
  ifreq request{};
  std::strcpy(request.ifr_name, kDevice);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) return system_error("making a TUN device");
  if (::ioctl(tun.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) != 0) return system_error("TUN segmentation offload");
  return tun;
}

Status set_flags_up(int control, const char* device) {
  ifreq request{};
  std::strcpy(request.ifr_name, device);
  if (::ioctl(control, SIOCGIFFLAGS, &request) != 0) return system_error("interface flags");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  if (::ioctl(control, SIOCSIFFLAGS, &request) != 0) return system_error("bringing an interface up");
  return {};
}

Status set_address(int control, unsigned long what, std::uint32_t address) {
  ifreq request{};
  std::strcpy(request.ifr_name, kDevice);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(address);
  std::memcpy(&request.ifr_addr, &in, sizeof in);
  if (::ioctl(control, what, &request) != 0) return system_error("giving the site its address");
  return {};
}

Status configure(std::uint32_t address, int mtu) {
  const Fd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) return system_error("socket");
  ifreq request{};
  std::strcpy(request.ifr_name, kDevice);
  request.ifr_mtu = mtu;
  if (::ioctl(control.get(), SIOCSIFMTU, &request) != 0) return system_error(fmt::format("setting the MTU to {}", mtu));
  std::strcpy(request.ifr_name, kDevice);
  request.ifr_qlen = kDeviceQueue;
  ::ioctl(control.get(), SIOCSIFTXQLEN, &request);  // root's privilege; others keep the kernel's 500 super-packets
  for (const auto& [what, value] : {std::pair{SIOCSIFADDR, address}, std::pair{SIOCSIFNETMASK, 0xffff0000u}})
    if (Status status = set_address(control.get(), static_cast<unsigned long>(what), value); !status.ok()) return status;
  for (const char* device : {"lo", kDevice})
    if (Status status = set_flags_up(control.get(), device); !status.ok()) return status;
  return {};
}

Status furnish(Site* site, int mtu) {
  site->network = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!site->network.valid()) return system_error("opening the new namespace");
  Result<Fd> tun = open_tun();
  if (!tun.ok()) return tun.take_status();
  site->tun = std::move(*tun);
  return configure(site->address, mtu);
}

}  // namespace

std::uint32_t site_address(int index) { return 0x0a4d0001u + (static_cast<std::uint32_t>(index + 1) << 8); }

std::string address_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

Status enter_user_namespace() {
  const auto uid = ::geteuid(), gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0)
    return error(lhSystemError, "this system does not let ordinary users make user namespaces ({}): run it as root",
                 std::strerror(errno));
  if (Status status = write_file("/proc/self/setgroups", "deny"); !status.ok()) return status;
  if (Status status = write_file("/proc/self/gid_map", fmt::format("0 {} 1", gid)); !status.ok()) return status;
  return write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid));
}

Result<Site> make_site(const std::string& name, int index, int mtu) {
  Site site;
  site.name = name;
  site.address = site_address(index);
  const Fd home(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.valid()) return system_error("opening this process's namespace");
  if (::unshare(CLONE_NEWNET) != 0) return system_error("making a network namespace (needs root)");
  Status status = furnish(&site, mtu);
  // A process in a user namespace of its own may not return; it needs no network of its own either.
  if (::setns(home.get(), CLONE_NEWNET) != 0 && errno != EPERM) return system_error("returning from the new namespace");
  if (!status.ok()) return std::move(status).with(fmt::format("site {}", name));
  return site;
}

Status enter_site(const Fd& user, const Fd& network) {
  if (user.valid() && ::setns(user.get(), CLONE_NEWUSER) != 0) return system_error("entering the user namespace");
  if (::setns(network.get(), CLONE_NEWNET) != 0) return system_error("entering the site's namespace");
  // /sys shows the devices of the namespace in which it was mounted, and UCX looks for its devices there.
  if (::unshare(CLONE_NEWNS) != 0) return system_error("making a mount namespace");
  if (::mount("none", "/", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) return system_error("detaching the mounts");
  ::umount2("/sys", MNT_DETACH);
  if (::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) return system_error("mounting the site's /sys");
  return {};
}

}  // namespace longhaul::emulate
