// SPDX-License-Identifier: Apache-2.0
//
// Longhaul for C++20: the C interface of longhaul.h with ownership and exceptions. Header only: all of it is compiled
// into the program, so the library's binary interface stays C. longhaul.h says what each call means; this file repeats
// only what differs. Include <longhaul/mpi.h> before it to get init_mpi().
//
// Failures are thrown as longhaul::Error, by the thread that made the call. No destructor throws.
#pragma once

#include <longhaul/longhaul.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace longhaul {

/// A call that failed. what() is the text of the code, then the library's own text, which names what went wrong.
class Error : public std::runtime_error {
 public:
  Error(lhResult_t code, const std::string& text)
      : std::runtime_error(std::string(lhGetErrorString(code)) + ": " + text), code_(code) {}
  lhResult_t code() const noexcept { return code_; }

 private:
  lhResult_t code_;
};

/// Throws unless `result` is lhSuccess. To be called on the thread that made the call, before its next one: the text is
/// that of this thread's last failure.
inline void check(lhResult_t result) {
  if (result != lhSuccess) throw Error(result, lhGetLastError(nullptr));
}

/// Types whose data type is known from the C++ type. fp16 and bf16 have no C++20 type: see BasicBuffer.
template <typename T>
concept Number = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, signed char> ||
    std::same_as<T, unsigned char> ||
    (std::integral<T> && (sizeof(T) == 4 || sizeof(T) == 8) && !std::same_as<T, wchar_t> && !std::same_as<T, char32_t>);

template <Number T>
constexpr lhDataType_t data_type_of() {
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? lhFloat32 : lhFloat64;
  constexpr bool is_signed = std::is_signed_v<T>;
  if constexpr (sizeof(T) == 1) return is_signed ? lhInt8 : lhUint8;
  if constexpr (sizeof(T) == 4) return is_signed ? lhInt32 : lhUint32;
  return is_signed ? lhInt64 : lhUint64;
}

/// Ranges that a BasicBuffer<Void> can view, and those whose data type is known.
template <typename Range, typename Void>
concept ViewableAs =
    std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range> && std::ranges::borrowed_range<Range> &&
    std::convertible_to<decltype(std::ranges::data(std::declval<Range&>())), Void*>;
template <typename Range, typename Void>
concept NumbersFor = ViewableAs<Range, Void> && Number<std::ranges::range_value_t<Range>>;
template <typename Range, typename Void>
concept HalvesFor = ViewableAs<Range, Void> && sizeof(std::ranges::range_value_t<Range>) == 2 &&
                    std::is_trivially_copyable_v<std::ranges::range_value_t<Range>>;

/// A view of elements and their data type: `Buffer` to write (Void = void), `ConstBuffer` to read (const void).
/// Implicit from std::span, std::vector, std::array, ... of a Number; not from temporaries that own their elements.
template <typename Void>
class BasicBuffer {
 public:
  template <NumbersFor<Void> Range>
  BasicBuffer(Range&& range)  // implicit: this is how buffers are passed
      : data_(std::ranges::data(range)),
        count_(std::ranges::size(range)),
        type_(data_type_of<std::ranges::range_value_t<Range>>()) {}

  /// For 16-bit elements of any trivial type (std::uint16_t, a framework's half): `type` is lhFloat16 or lhBfloat16,
  /// else throws Error(lhInvalidArgument).
  template <HalvesFor<Void> Range>
  BasicBuffer(Range&& range, lhDataType_t type)
      : data_(std::ranges::data(range)), count_(std::ranges::size(range)), type_(type) {
    if (type != lhFloat16 && type != lhBfloat16)
      throw Error(lhInvalidArgument, "16-bit elements are of type lhFloat16 or lhBfloat16");
  }

  /// A Buffer is a ConstBuffer too.
  template <std::same_as<void> Writable>
  BasicBuffer(const BasicBuffer<Writable>& other) : data_(other.data()), count_(other.count()), type_(other.type()) {}

  Void* data() const noexcept { return data_; }
  std::size_t count() const noexcept { return count_; }
  lhDataType_t type() const noexcept { return type_; }

 private:
  Void* data_;
  std::size_t count_;
  lhDataType_t type_;
};
using Buffer = BasicBuffer<void>;
using ConstBuffer = BasicBuffer<const void>;

/// Options of one all-reduce: lhCallConfig_t.
struct CallOptions {
  lhCodec_t codec = lhCodecDefault;
  lhScope_t scope = lhScopeDefault;
  std::uint64_t tag = 0;
  bool error_feedback = false;  ///< needs a tag
  std::chrono::milliseconds timeout{0};  ///< 0: wan.timeout

  /// Throws Error(lhInvalidArgument) for a timeout that does not fit.
  lhCallConfig_t to_c() const {
    if (timeout.count() < 0 || timeout.count() > std::numeric_limits<unsigned>::max())
      throw Error(lhInvalidArgument, "timeout of " + std::to_string(timeout.count()) + " ms: must be 0 to 2^32 - 1");
    lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
    config.codec = codec;
    config.scope = scope;
    config.tag = tag;
    config.errorFeedback = error_feedback ? 1 : 0;
    config.timeoutMs = static_cast<unsigned>(timeout.count());
    return config;
  }
};

/// An operation in flight. Its buffers must live until it has ended; the communicator need not (destroying it ends the
/// operation with lhAborted). One thread at a time. An empty Request has ended.
class Request {
 public:
  Request() = default;
  /// Takes the handle over.
  explicit Request(lhRequest_t handle) noexcept : handle_(handle) {}
  Request(Request&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Request& operator=(Request&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;  // what this one held is waited for when `other` ends
  }
  /// Blocks until the operation has ended, by its deadline at the latest; its result is lost. Call wait() to learn it.
  ~Request() {
    if (handle_) static_cast<void>(lhRequestWait(handle_));
  }

  /// Blocks until the operation has ended; throws its failure. Afterwards the Request is empty.
  void wait() {
    if (handle_) check(lhRequestWait(std::exchange(handle_, nullptr)));
  }
  /// Whether the operation has ended, well or not: wait() then returns or throws at once. Never blocks.
  [[nodiscard]] bool test() {
    if (!handle_) return true;
    int done = 0;
    static_cast<void>(lhRequestTest(handle_, &done));
    return done != 0;
  }

 private:
  lhRequest_t handle_ = nullptr;
};

/// Issues the collectives of its scope on this thread together: needed where one thread drives several communicators.
/// They end in end(), so buffers must live until then. Groups nest. Create and end it on one thread.
class Group {
 public:
  Group() { check(lhGroupStart()); }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  /// As end(), but a failure is lost.
  ~Group() {
    if (open_) static_cast<void>(lhGroupEnd());
  }
  /// Blocks until all are done; throws the first failure.
  void end() {
    if (std::exchange(open_, false)) check(lhGroupEnd());
  }

 private:
  bool open_ = true;
};

/// One rank's membership in the job. Move-only owner of an lhComm_t; the destructor frees it within 10 s, and pending
/// calls end with lhAborted. A moved-from communicator can only be destroyed or assigned to.
/// Collectives block until they are done (in a Group: at its end) and throw, by their deadline at the latest. Calls
/// with lhInvalidArgument or lhUnsupported have sent nothing and leave it usable.
class Communicator {
 public:
  Communicator() = default;
  /// Takes the handle over.
  explicit Communicator(lhComm_t handle) noexcept : handle_(handle) {}
  Communicator(Communicator&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Communicator& operator=(Communicator&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Communicator() {
    if (handle_) static_cast<void>(lhCommDestroy(handle_));
  }

  static lhConfig_t default_config() noexcept { return LH_CONFIG_INITIALIZER; }

  /// lhCommInit. Blocks until all ranks are connected or the timeout is over; with config.blocking == 0 returns at
  /// once, then ask ready(). The strings of `config` are copied.
  [[nodiscard]] static Communicator init(const lhConfig_t& config = default_config()) {
    lhComm_t handle = nullptr;
    return adopt(lhCommInit(&handle, &config), &handle);
  }

  /// lhCommInitLoopback: all ranks of sites of these sizes in this process, in rank order. `wan` such as
  /// "emulate_rtt=15ms,codec=i8".
  [[nodiscard]] static std::vector<Communicator> loopback(const std::vector<int>& site_sizes,
                                                          const std::string& wan = {}) {
    constexpr int kSane = 1 << 16;  // the library knows the real limits and names them
    std::size_t ranks = 0;
    for (const int size : site_sizes) ranks += size > 0 && size <= kSane ? static_cast<std::size_t>(size) : 1;
    std::vector<lhComm_t> handles(ranks + 1);
    lhConfig_t config = default_config();
    config.wan = wan.c_str();
    check(lhCommInitLoopback(handles.data(), site_sizes.data(), static_cast<int>(site_sizes.size()), &config));
    std::vector<Communicator> all;
    handles.pop_back();
    all.reserve(ranks);
    for (const lhComm_t handle : handles) all.emplace_back(handle);
    return all;
  }

  /// For non-blocking initialisation: false while it runs, true when the communicator can be used. Throws its final
  /// error, as later for a communicator that has failed. Never blocks.
  [[nodiscard]] bool ready() const {
    lhResult_t state = lhSuccess;
    check(lhCommGetAsyncError(handle_, &state));
    if (state == lhSuccess || state == lhInProgress) return state == lhSuccess;
    throw Error(state, lhGetLastError(handle_));
  }

  int rank() const { return ask(lhCommUserRank); }
  int size() const { return ask(lhCommCount); }  ///< ranks of all sites
  int site() const { return ask(lhCommSite); }
  int site_count() const { return ask(lhCommSiteCount); }
  int site_rank() const { return ask(lhCommSiteRank); }
  int site_size() const { return ask(lhCommSiteSize); }
  lhStats_t stats() const {
    lhStats_t stats = LH_STATS_INITIALIZER;
    check(lhCommGetStats(handle_, &stats));
    return stats;
  }
  lhComm_t handle() const noexcept { return handle_; }  ///< stays owned by this object

  /// recv[i] = op over all ranks of send[i].
  void all_reduce(ConstBuffer send, Buffer recv, lhRedOp_t op = lhSum, const CallOptions& options = {}) {
    require(send, recv, send.count(), "all_reduce", recv.count());
    const lhCallConfig_t config = options.to_c();
    check(lhAllReduceEx(send.data(), recv.data(), send.count(), send.type(), op, &config, handle_, nullptr, nullptr));
  }
  /// In place.
  void all_reduce(Buffer buffer, lhRedOp_t op = lhSum, const CallOptions& options = {}) {
    all_reduce(buffer, buffer, op, options);
  }
  /// Returns at once; throws only what is wrong with the call itself. The buffers must live, and stay untouched, until
  /// the request has ended.
  [[nodiscard]] Request all_reduce_async(ConstBuffer send, Buffer recv, lhRedOp_t op = lhSum,
                                         const CallOptions& options = {}) {
    require(send, recv, send.count(), "all_reduce", recv.count());
    const lhCallConfig_t config = options.to_c();
    lhRequest_t request = nullptr;
    check(lhAllReduceEx(send.data(), recv.data(), send.count(), send.type(), op, &config, handle_, nullptr, &request));
    return Request(request);
  }
  /// In place.
  [[nodiscard]] Request all_reduce_async(Buffer buffer, lhRedOp_t op = lhSum, const CallOptions& options = {}) {
    return all_reduce_async(buffer, buffer, op, options);
  }
  [[nodiscard]] Request all_reduce_async(Buffer buffer, const CallOptions& options) {
    return all_reduce_async(buffer, buffer, lhSum, options);
  }

  /// `send` holds size() times as many elements as `recv`.
  void reduce_scatter(ConstBuffer send, Buffer recv, lhRedOp_t op = lhSum) {
    require(send, recv, send.count(), "reduce_scatter", recv.count() * static_cast<std::size_t>(size()));
    check(lhReduceScatter(send.data(), recv.data(), recv.count(), recv.type(), op, handle_, nullptr));
  }
  /// `recv` holds size() times as many elements as `send`, in rank order.
  void all_gather(ConstBuffer send, Buffer recv) {
    require(send, recv, recv.count(), "all_gather", send.count() * static_cast<std::size_t>(size()));
    check(lhAllGather(send.data(), recv.data(), send.count(), send.type(), handle_, nullptr));
  }
  /// The root's elements to everybody, in place.
  void broadcast(Buffer buffer, int root) {
    check(lhBroadcast(buffer.data(), buffer.data(), buffer.count(), buffer.type(), root, handle_, nullptr));
  }
  /// Returns when every rank has called it.
  void barrier() { check(lhBarrier(handle_, nullptr)); }

  /// Error-feedback states of this rank, for checkpoints: the tags that have one, and its bytes.
  std::vector<std::uint64_t> feedback_tags() const {
    std::size_t count = 0;
    check(lhCommFeedbackTags(handle_, nullptr, &count));
    std::vector<std::uint64_t> tags(count);
    check(lhCommFeedbackTags(handle_, tags.data(), &count));
    return tags;
  }
  std::vector<std::byte> export_feedback(std::uint64_t tag) const {
    std::size_t bytes = 0;
    check(lhCommFeedbackExport(handle_, tag, nullptr, &bytes));
    std::vector<std::byte> state(bytes);
    check(lhCommFeedbackExport(handle_, tag, state.data(), &bytes));
    return state;
  }
  void import_feedback(std::uint64_t tag, const std::vector<std::byte>& state) {
    check(lhCommFeedbackImport(handle_, tag, state.data(), state.size()));
  }
  /// 0: of all tags.
  void reset_feedback(std::uint64_t tag) { check(lhCommFeedbackReset(handle_, tag)); }

  /// Called by all ranks: blocks until everything issued is done and every rank got here, at most 10 s.
  void finalize() { check(lhCommFinalize(handle_)); }
  /// From any thread, without blocking: calls under way throw lhAborted, the other ranks' lhRemoteError.
  void abort() noexcept { static_cast<void>(lhCommAbort(handle_)); }

  /// What a C initialisation returned, as a Communicator.
  static Communicator adopt(lhResult_t result, lhComm_t* handle) {
    if (result != lhInProgress) check(result);
    return Communicator(std::exchange(*handle, nullptr));
  }

 private:
  int ask(lhResult_t (*question)(lhComm_t, int*)) const {
    int answer = 0;
    check(question(handle_, &answer));
    return answer;
  }
  static void require(const ConstBuffer& send, const Buffer& recv, std::size_t larger, const char* call,
                      std::size_t expected) {
    if (send.type() != recv.type())
      throw Error(lhInvalidArgument, std::string(call) + ": send and recv have different data types");
    if (larger != expected)
      throw Error(lhInvalidArgument, std::string(call) + ": send has " + std::to_string(send.count()) +
                                         " elements, which does not fit recv with " + std::to_string(recv.count()));
  }

  lhComm_t handle_ = nullptr;
};

}  // namespace longhaul

// Outside the class, so that programs may mix files with and without MPI.
#ifdef LONGHAUL_MPI_H
namespace longhaul {

/// lhCommInitMPI: collective over `site`, the MPI ranks of this site; `site` stays the caller's. Blocks as
/// Communicator::init.
[[nodiscard]] inline Communicator init_mpi(MPI_Comm site, const lhConfig_t& config = Communicator::default_config()) {
  lhComm_t handle = nullptr;
  return Communicator::adopt(lhCommInitMPI(&handle, site, &config), &handle);
}

}  // namespace longhaul
#endif
