// SPDX-License-Identifier: Apache-2.0
// Status and Result<T>: how every function below the C ABI reports an operating error. The function that decides the error
// writes the text; callers only add context. Programmer errors are LH_CHECK (check.h), never a Status.
#pragma once

#include <longhaul/longhaul.h>

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace longhaul {

class [[nodiscard]] Status {
 public:
  Status() = default;  ///< success
  Status(lhResult_t code, std::string text) : code_(code), text_(std::move(text)) {}

  bool ok() const { return code_ == lhSuccess; }
  lhResult_t code() const { return code_; }
  const std::string& text() const { return text_; }

  /// The same error with "context: " in front of its text.
  Status with(std::string_view context) && { return {code_, fmt::format("{}: {}", context, text_)}; }

 private:
  lhResult_t code_ = lhSuccess;
  std::string text_;
};

/// error(lhInvalidArgument, "count {} is ...", count): a failed Status with a formatted text.
template <typename... Args>
Status error(lhResult_t code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}                                            // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) { LH_CHECK(!status_.ok()); }          // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  Status take_status() { return std::move(status_); }

  T& value() {
    LH_CHECK(ok());
    return *value_;
  }
  const T& value() const {
    LH_CHECK(ok());
    return *value_;
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace longhaul
