// SPDX-License-Identifier: Apache-2.0
// See read_file.h.
#include "config/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/fd.h"
#include "config/suggest.h"

namespace longhaul::config {
namespace {
// strerror is not safe with several threads.
Status failed(const std::string& path, int cause) {
  return error(lhInvalidArgument, "cannot read {}: {}", in_quotes(path), std::generic_category().message(cause));
}
}  // namespace

Result<FileContent> read_file(const std::string& path, std::size_t most) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return failed(path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return failed(path, errno);
  if (!S_ISREG(info.st_mode))
    return error(lhInvalidArgument, "cannot read {}: it is not a regular file", in_quotes(path));

  FileContent content{std::string(most + 1, '\0'), info.st_mode};
  std::size_t used = 0;
  while (used < content.bytes.size()) {
    const ssize_t got = ::read(file.get(), content.bytes.data() + used, content.bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, errno);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  if (used > most) return error(lhInvalidArgument, "{} is larger than {} bytes", in_quotes(path), most);
  content.bytes.resize(used);
  return content;
}

}  // namespace longhaul::config
