// SPDX-License-Identifier: Apache-2.0
// The double's NCCL. A launch becomes one item of a stream; its kernel brings this rank's data to the others of the clique, waits for
// theirs, and computes its own results, in rank order. A rank that is aborted lets its own kernels go, and nobody else's.
#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/reduce.h"
#include "support/gpu_double/state.h"

using namespace longhaul::testing::gpu;
using longhaul::device::CuStream;
using longhaul::device::kNcclInProgress;
using longhaul::device::kNcclSuccess;
using longhaul::device::NcclComm;
using longhaul::device::NcclConfig;
using longhaul::device::NcclResult;
using longhaul::device::NcclUniqueId;

namespace {

constexpr NcclResult kUnhandled = 1, kArgument = 4, kUsage = 5;

enum class What { ReduceScatter, AllGather, Reduce, AllReduce, Send, Recv };
constexpr const char* kNames[] = {"ReduceScatter", "AllGather", "Reduce", "AllReduce", "Send", "Recv"};

struct Op {
  What what;
  const void* send = nullptr;
  void* recv = nullptr;
  std::size_t count = 0;
  int type = 0, op = 0, peer = 0;
  std::size_t bytes() const { return count * longhaul::kernels::size_of(static_cast<lhDataType_t>(type)); }
};

bool pairwise(const Op& op) { return op.what == What::Send || op.what == What::Recv; }

/// What one rank brings to a collective kernel: its operations and a copy of what it sends.
struct Brought {
  std::vector<Op> ops;
  std::vector<std::vector<std::byte>> data;
};
struct Meeting {
  std::vector<std::shared_ptr<const Brought>> all;  // by rank
  int taken = 0;
};

struct Clique {
  std::string name;
  int ranks = 0, joined = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::uint64_t, Meeting> kernels;                                    // collective ones, by number
  std::map<std::pair<int, int>, std::deque<std::vector<std::byte>>> messages;  // by sender and receiver
};

struct Cliques {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Clique>> by_id;
};
Cliques& cliques() {
  static Cliques instance;
  return instance;
}

std::shared_ptr<Clique> join(const std::string& id, int ranks) {
  const std::lock_guard lock(cliques().mutex);
  std::shared_ptr<Clique>& clique = cliques().by_id[id];
  if (!clique) {
    clique = std::make_shared<Clique>();
    clique->ranks = ranks;
    clique->name = id;
  }
  const std::shared_ptr<Clique> joined = clique;
  const std::lock_guard inside(joined->mutex);
  ++joined->joined;
  joined->changed.notify_all();
  if (joined->joined == ranks) cliques().by_id.erase(id);
  return joined;
}

}  // namespace

struct ncclComm {
  std::shared_ptr<Clique> clique;
  int rank = 0, device = 0;
  bool blocking = false;
  std::thread::id thread;
  longhaul::Random random{1};
  std::uint64_t launched = 0, splits = 0;
  int polls = 0;                             // until the call that is in progress is done
  std::vector<std::function<void()>> later;  // what it does then
  std::atomic<bool> aborted{false};
  std::atomic<int> running{0};
  bool finalized = false;

  void check_thread(const char* call) const {
    if (!blocking && std::this_thread::get_id() != thread) violation(std::string(call) + " from another thread than the communicator's");
  }
};

namespace {

bool all_joined(const Clique& clique) { return clique.joined == clique.ranks; }

/// In progress for some polls more, then `work` is done. On a blocking communicator: at once.
NcclResult in_progress(ncclComm* comm, std::function<void()> work) {
  if (comm->blocking || !comm->random.chance(state().options.in_progress)) {
    if (work) work();
    return kNcclSuccess;
  }
  comm->polls = 1 + static_cast<int>(comm->random.below(4));
  comm->later.push_back(std::move(work));
  return kNcclInProgress;
}

std::vector<std::byte> sum_of(const std::vector<const void*>& sources, const Op& op) {
  const std::uint64_t divisor = op.what == What::AllReduce && op.op == lhAvg ? sources.size() : 1;
  std::vector<std::byte> out(op.bytes());
  longhaul::kernels::reduce(out.data(), sources, op.count, static_cast<lhDataType_t>(op.type), static_cast<lhRedOp_t>(op.op), divisor);
  return out;
}

void compute(const std::vector<std::shared_ptr<const Brought>>& all, int rank) {
  const Brought& mine = *all[static_cast<std::size_t>(rank)];
  for (std::size_t i = 0; i < mine.ops.size(); ++i) {
    const Op& op = mine.ops[i];
    auto* recv = static_cast<std::byte*>(op.recv);
    for (const auto& other : all)
      if (other->ops.size() <= i || other->ops[i].what != op.what || other->ops[i].count != op.count)
        return violation("ranks of a site called NCCL differently");
    if (op.what == What::AllGather) {
      for (std::size_t peer = 0; peer < all.size(); ++peer) std::memcpy(recv + peer * op.bytes(), all[peer]->data[i].data(), op.bytes());
      continue;
    }
    const std::size_t offset = op.what == What::ReduceScatter ? static_cast<std::size_t>(rank) * op.bytes() : 0;
    std::vector<const void*> sources;
    for (const auto& other : all) sources.push_back(other->data[i].data() + offset);
    if (op.what == What::Reduce && op.peer != rank) continue;
    const auto sum = sum_of(sources, op);
    std::memcpy(recv, sum.data(), sum.size());
  }
}

/// Waits on the stream's thread for peers; false: the rank was aborted.
template <typename Ready>
bool wait_for(std::unique_lock<std::mutex>* lock, ncclComm* comm, Clique* clique, Ready ready) {
  while (!ready() && !comm->aborted) clique->changed.wait_for(*lock, std::chrono::milliseconds(1));
  return !comm->aborted;
}

std::vector<std::byte> copy_of(const Op& op, int ranks) {
  const auto* from = static_cast<const std::byte*>(op.send);
  const std::size_t bytes = !from ? 0 : op.what == What::ReduceScatter ? op.bytes() * static_cast<std::size_t>(ranks) : op.bytes();
  return {from, from + bytes};
}

void meet(ncclComm* comm, Clique* clique, std::uint64_t number, const std::vector<Op>& ops) {
  auto brought = std::make_shared<Brought>();
  brought->ops = ops;
  for (const Op& op : ops) brought->data.push_back(copy_of(op, clique->ranks));
  std::unique_lock lock(clique->mutex);
  Meeting& meeting = clique->kernels[number];
  meeting.all.resize(static_cast<std::size_t>(clique->ranks));
  meeting.all[static_cast<std::size_t>(comm->rank)] = std::move(brought);
  clique->changed.notify_all();
  const auto complete = [&] { return std::all_of(meeting.all.begin(), meeting.all.end(), [](const auto& one) { return one != nullptr; }); };
  if (!wait_for(&lock, comm, clique, complete)) return;
  const auto all = meeting.all;
  if (++meeting.taken == clique->ranks) clique->kernels.erase(number);
  lock.unlock();
  compute(all, comm->rank);
}

void exchange(ncclComm* comm, Clique* clique, const std::vector<Op>& ops) {
  std::unique_lock lock(clique->mutex);
  for (const Op& op : ops)
    if (op.what == What::Send) clique->messages[{comm->rank, op.peer}].push_back(copy_of(op, 1));
  clique->changed.notify_all();
  for (const Op& op : ops) {
    if (op.what != What::Recv) continue;
    auto& from = clique->messages[{op.peer, comm->rank}];
    if (!wait_for(&lock, comm, clique, [&] { return !from.empty(); })) return;
    if (from.front().size() != op.bytes()) violation("ncclRecv has no ncclSend of its size");
    std::memcpy(op.recv, from.front().data(), std::min(op.bytes(), from.front().size()));
    from.pop_front();
  }
}

void run_kernel(ncclComm* comm, Clique* clique, std::uint64_t number, const std::vector<Op>& ops) {
  if (!comm->aborted && pairwise(ops.front()))
    exchange(comm, clique, ops);
  else if (!comm->aborted)
    meet(comm, clique, number, ops);
  --comm->running;
}

struct Called {
  ncclComm* comm;
  CuStream stream;
  Op op;
};
struct GroupState {
  int depth = 0;
  bool failed = false;  // then nothing of it is launched
  std::vector<Called> called;
};
GroupState& group() {
  thread_local GroupState instance;
  return instance;
}

NcclResult launch(ncclComm* comm, CuStream stream, std::vector<Op> ops) {
  if (comm->polls > 0) violation("an NCCL call on a communicator that is still in progress");
  std::string what;
  for (const Op& op : ops) what += std::string(kNames[static_cast<int>(op.what)]) + " " + std::to_string(op.count) + ";";
  const bool collective = !pairwise(ops.front());
  for (const Op& op : ops)
    if (pairwise(op) == collective) violation("a group of collectives and of messages");
  if (collective) {
    const std::lock_guard lock(state().mutex);
    state().launches[std::this_thread::get_id()].push_back({comm->clique->name, what});
  }
  const std::uint64_t number = collective ? comm->launched++ : 0;
  ++comm->running;
  return in_progress(comm, [=, ops = std::move(ops)] {
    stream->push([=, clique = comm->clique] { run_kernel(comm, clique.get(), number, ops); });
  });
}

bool covers(const void* memory, std::size_t bytes) {
  Allocation found;
  return find_memory(reinterpret_cast<longhaul::device::CuPointer>(memory), bytes, &found) && found.kind == Kind::Device;
}

NcclResult call(const char* name, ncclComm* comm, CuStream stream, const Op& op) {
  if (counted(name)) {
    group().failed = group().depth > 0;
    return kUnhandled;
  }
  comm->check_thread(name);
  if (comm->finalized) return kUsage;
  if (current_device() != comm->device) violation(std::string(name) + " with another device's context");
  const std::size_t all = op.bytes() * static_cast<std::size_t>(comm->clique->ranks);
  const bool send_ok = !op.send || covers(op.send, op.what == What::ReduceScatter ? all : op.bytes());
  const bool recv_ok = !op.recv || covers(op.recv, op.what == What::AllGather ? all : op.bytes());
  if (!send_ok || !recv_ok) {
    violation(std::string(name) + " beyond an allocation of the GPU");
    return kArgument;
  }
  if (group().depth > 0) {
    group().called.push_back({comm, stream, op});
    return kNcclSuccess;
  }
  return launch(comm, stream, {op});
}

NcclResult start(ncclComm* comm, std::shared_ptr<Clique> clique, int rank, const NcclConfig* config) {
  comm->clique = std::move(clique);
  comm->rank = rank;
  comm->device = current_device();
  comm->blocking = !config || config->blocking != 0;
  comm->thread = std::this_thread::get_id();
  comm->random = longhaul::Random(state().options.seed * 77 + static_cast<std::uint64_t>(rank));
  if (!comm->blocking) return kNcclInProgress;
  std::unique_lock lock(comm->clique->mutex);
  comm->clique->changed.wait(lock, [&] { return all_joined(*comm->clique); });
  return kNcclSuccess;
}

ncclComm* make() {
  auto owned = std::make_unique<ncclComm>();
  const std::lock_guard lock(state().mutex);
  state().comms.insert(owned.get());
  return owned.release();
}

void wait_for_kernels(ncclComm* comm) {
  for (const auto& work : comm->later) work();  // what was in progress goes on by itself
  comm->later.clear();
  while (comm->running > 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
}

void forget(ncclComm* comm) {
  wait_for_kernels(comm);
  {
    const std::lock_guard lock(state().mutex);
    if (state().comms.erase(comm) == 0) return;
  }
  const std::unique_ptr<ncclComm> freed(comm);
}

}  // namespace

LH_DOUBLE NcclResult ncclGetVersion(int* version) {
  *version = state().options.nccl_version;
  return kNcclSuccess;
}
LH_DOUBLE const char* ncclGetErrorString(NcclResult result) { return result == kUnhandled ? "unhandled cuda error" : "error of the double"; }
LH_DOUBLE const char* ncclGetLastError(NcclComm) { return "the double was told to fail"; }
LH_DOUBLE NcclResult ncclGetUniqueId(NcclUniqueId* id) {
  if (counted("ncclGetUniqueId")) return kUnhandled;
  const std::lock_guard lock(state().mutex);
  const std::string text = "clique " + std::to_string(++state().cliques);
  std::memset(id->internal, 0, sizeof id->internal);
  std::memcpy(id->internal, text.data(), text.size());
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommInitRankConfig(NcclComm* comm, int ranks, NcclUniqueId id, int rank, NcclConfig* config) {
  if (counted("ncclCommInitRankConfig")) return kUnhandled;
  if (config->magic != 0xcafebeef || config->size > sizeof(NcclConfig)) return kArgument;
  if (current_device() < 0) violation("ncclCommInitRankConfig without a context");
  *comm = make();
  return start(*comm, join(id.internal, ranks), rank, config);
}
LH_DOUBLE NcclResult ncclCommSplit(NcclComm comm, int, int key, NcclComm* made, NcclConfig* config) {
  if (counted("ncclCommSplit")) return kUnhandled;
  const std::string id = comm->clique->name + " split " + std::to_string(comm->splits++);
  *made = make();
  return start(*made, join(id, comm->clique->ranks), key, config);
}
LH_DOUBLE NcclResult ncclCommFinalize(NcclComm comm) {
  if (counted("ncclCommFinalize")) return kUnhandled;
  comm->check_thread("ncclCommFinalize");
  comm->finalized = true;
  return in_progress(comm, [] {});
}
LH_DOUBLE NcclResult ncclCommDestroy(NcclComm comm) {
  forget(comm);
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommAbort(NcclComm comm) {
  comm->aborted = true;
  forget(comm);
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommGetAsyncError(NcclComm comm, NcclResult* error) {
  if (counted("ncclCommGetAsyncError")) return kUnhandled;
  comm->check_thread("ncclCommGetAsyncError");
  *error = kNcclSuccess;
  if (std::lock_guard lock(comm->clique->mutex); !all_joined(*comm->clique)) {
    *error = kNcclInProgress;
  } else if (comm->polls > 0 && --comm->polls > 0) {
    *error = kNcclInProgress;
  }
  if (*error == kNcclInProgress || comm->later.empty()) return kNcclSuccess;
  for (const auto& work : comm->later) work();
  comm->later.clear();
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommCount(NcclComm comm, int* count) {
  *count = comm->clique->ranks;
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommUserRank(NcclComm comm, int* rank) {
  *rank = comm->rank;
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclCommCuDevice(NcclComm comm, int* device) {
  *device = comm->device;
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclGroupStart() {
  if (counted("ncclGroupStart")) return kUnhandled;
  ++group().depth;
  return kNcclSuccess;
}
LH_DOUBLE NcclResult ncclGroupEnd() {
  const std::vector<Called> called = --group().depth > 0 ? std::vector<Called>() : std::exchange(group().called, {});
  if (std::exchange(group().failed, false) || counted("ncclGroupEnd")) return kUnhandled;
  if (group().depth > 0 || called.empty()) return kNcclSuccess;
  std::vector<Op> ops;
  for (const Called& one : called) {
    if (one.comm != called.front().comm || one.stream != called.front().stream) violation("a group over several communicators or streams");
    ops.push_back(one.op);
  }
  return launch(called.front().comm, called.front().stream, std::move(ops));
}
LH_DOUBLE NcclResult ncclReduceScatter(const void* send, void* recv, std::size_t count, int type, int op, NcclComm comm, CuStream stream) {
  return call("ncclReduceScatter", comm, stream, {What::ReduceScatter, send, recv, count, type, op, 0});
}
LH_DOUBLE NcclResult ncclAllReduce(const void* send, void* recv, std::size_t count, int type, int op, NcclComm comm, CuStream stream) {
  return call("ncclAllReduce", comm, stream, {What::AllReduce, send, recv, count, type, op, 0});
}
LH_DOUBLE NcclResult ncclAllGather(const void* send, void* recv, std::size_t count, int type, NcclComm comm, CuStream stream) {
  return call("ncclAllGather", comm, stream, {What::AllGather, send, recv, count, type, 0, 0});
}
LH_DOUBLE NcclResult ncclReduce(const void* send, void* recv, std::size_t count, int type, int op, int root, NcclComm comm, CuStream stream) {
  return call("ncclReduce", comm, stream, {What::Reduce, send, recv, count, type, op, root});
}
LH_DOUBLE NcclResult ncclSend(const void* send, std::size_t count, int type, int peer, NcclComm comm, CuStream stream) {
  return call("ncclSend", comm, stream, {What::Send, send, nullptr, count, type, 0, peer});
}
LH_DOUBLE NcclResult ncclRecv(void* recv, std::size_t count, int type, int peer, NcclComm comm, CuStream stream) {
  return call("ncclRecv", comm, stream, {What::Recv, nullptr, recv, count, type, 0, peer});
}
