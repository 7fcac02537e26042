// SPDX-License-Identifier: Apache-2.0
// all_reduce_perf: numbers with units, wan strings, command line, rows and modes.
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "benchmarks/options.h"
#include "benchmarks/types.h"
#include "benchmarks/units.h"
#include "support/catch.h"

namespace longhaul::perf {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }

Parsed parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "all_reduce_perf");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

// Sets or removes (null) a variable for one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old, was_set_ = true;
    if (value) {
      setenv(name, value, 1);
    } else {
      unsetenv(name);
    }
  }
  ~Variable() { was_set_ ? setenv(name_, old_.c_str(), 1) : unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
  bool was_set_ = false;
};

}  // namespace

TEST_CASE("sizes are powers of 1024", "[unit]") {
  CHECK(parse_size("8") == std::uint64_t{8});
  CHECK(parse_size("64K") == std::uint64_t{65536});
  CHECK(parse_size("32m") == std::uint64_t{32} << 20);
  CHECK(parse_size(" 1GiB ") == std::uint64_t{1} << 30);
  CHECK(parse_size("1.5KB") == std::uint64_t{1536});
  CHECK(parse_size("0") == std::uint64_t{0});
  for (const char* bad : {"", "K", "-1", "1X", "0.3", "nan", "inf", "1e30", "99999T", "1 2", "0x10"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("durations need a unit", "[unit]") {
  CHECK(near(parse_duration("15ms").value(), 0.015));
  CHECK(near(parse_duration("200us").value(), 2e-4));
  CHECK(near(parse_duration("1.5s").value(), 1.5));
  CHECK(near(parse_duration("0").value(), 0));
  for (const char* bad : {"15", "ms", "-1ms", "15 parsecs"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad).has_value());
  }
}

TEST_CASE("rates are powers of 1000", "[unit]") {
  CHECK(near(parse_rate("1gbit").value(), 1e9));
  CHECK(near(parse_rate("400Mbit/s").value(), 4e8));
  CHECK(near(parse_rate("10Gb/s").value(), 1e10));
  CHECK(near(parse_rate("10gbps").value(), 1e10));
  CHECK(near(parse_rate("1g").value(), 1e9));
  CHECK(near(parse_rate("1e9").value(), 1e9));
  CHECK(near(parse_rate("100bit").value(), 100));
  for (const char* bad : {"", "fast", "1gbyte", "1gg", "-1gbit"}) {
    INFO(bad);
    CHECK_FALSE(parse_rate(bad).has_value());
  }
}

TEST_CASE("probabilities", "[unit]") {
  CHECK(near(parse_probability("0.001").value(), 0.001));
  CHECK(near(parse_probability("0.1%").value(), 0.001));
  CHECK_FALSE(parse_probability("1").has_value());
  CHECK_FALSE(parse_probability("-0.1").has_value());
}

TEST_CASE("a wan string keeps its order and later values win", "[unit]") {
  WanKeys keys = parse_wan(" codec = i8,streams=4,,codec=bf16");
  CHECK(wan_text(keys) == "codec=bf16,streams=4");
  set_wan_key(&keys, "emulate_rtt", "15ms");
  set_wan_key(&keys, "streams", "2");
  CHECK(wan_text(keys) == "codec=bf16,streams=2,emulate_rtt=15ms");
  CHECK(find_wan_key(keys, "streams").value() == "2");
  CHECK_FALSE(find_wan_key(keys, "timeout").has_value());
  CHECK(wan_text(parse_wan("nonsense")) == "nonsense");  // the library refuses it by name
}

TEST_CASE("lists of words", "[unit]") {
  std::string unknown;
  CHECK(parse_types("float,half,float", &unknown).value() == std::vector<lhDataType_t>{lhFloat32, lhFloat16});
  CHECK(parse_types("all", &unknown).value().size() == 10);
  CHECK(parse_ops("all", &unknown).value().size() == 5);
  CHECK(parse_codecs("all,default", &unknown).value() ==
        std::vector<lhCodec_t>{lhCodecNone, lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2, lhCodecLossless, lhCodecDefault});
  CHECK_FALSE(parse_codecs("i8,r5", &unknown).has_value());
  CHECK(unknown == "r5");
  CHECK_FALSE(parse_types("", &unknown).has_value());
}

TEST_CASE("flags become options", "[unit]") {
  const Variable none("LONGHAUL_WAN", nullptr), rtt("LONGHAUL_WAN_EMULATE_RTT", nullptr),
      rate("LONGHAUL_WAN_EMULATE_RATE", nullptr);
  const Parsed parsed = parse(
      {"-b",        "8",    "-e",         "64K",   "-f",         "2",       "-n",    "7",         "-w", "0",     "-c",
       "2",         "-o",   "avg",        "-d",    "half",       "--codec", "i8",    "--sites",   "3",  "-g",    "7",
       "--wan-rtt", "15ms", "--wan-rate", "1gbit", "--wan-loss", "0.1%",    "--wan", "streams=4", "-J", "x.json"});
  REQUIRE(parsed.run);
  const Options& o = parsed.options;
  CHECK(o.min_bytes == 8);
  CHECK(o.max_bytes == 65536);
  CHECK(o.step_factor == 2);
  CHECK(o.iterations == 7);
  CHECK(o.warmup == 0);
  CHECK(o.checks == 2);
  CHECK(o.ops == std::vector<lhRedOp_t>{lhAvg});
  CHECK(o.types == std::vector<lhDataType_t>{lhFloat16});
  CHECK(o.codecs == std::vector<lhCodec_t>{lhCodecI8});
  CHECK(o.sites == 3);
  CHECK(o.ranks == 7);
  CHECK(o.json_file == "x.json");
  CHECK(wan_text(o.wan) == "streams=4,emulate_rtt=15ms,emulate_rate=1gbit,emulate_loss=0.001");
  CHECK(near(o.link.rtt_s.value(), 0.015));
  CHECK(near(o.link.bits_per_s.value(), 1e9));
  CHECK(o.link_is_emulated);
}

TEST_CASE("flags win over LONGHAUL_WAN, and a variable of one key over both", "[unit]") {
  const Variable wan("LONGHAUL_WAN", "codec=i8,emulate_rtt=1ms");
  const Variable rtt("LONGHAUL_WAN_EMULATE_RTT", "80ms");
  const Parsed parsed = parse({"--wan-rtt", "15ms"});
  REQUIRE(parsed.run);
  CHECK(wan_text(parsed.options.wan) == "codec=i8,emulate_rtt=15ms");
  CHECK(near(parsed.options.link.rtt_s.value(), 0.08));
}

TEST_CASE("a real link is described without emulating it", "[unit]") {
  const Variable none("LONGHAUL_WAN", nullptr);
  const Parsed parsed = parse({"--link-rate", "10gbit", "--link-rtt", "20ms"});
  REQUIRE(parsed.run);
  CHECK(parsed.options.wan.empty());
  CHECK_FALSE(parsed.options.link_is_emulated);
  CHECK(near(parsed.options.link.bits_per_s.value(), 1e10));
}

TEST_CASE("wrong flags are refused with a text", "[unit]") {
  for (const auto& bad : std::vector<std::vector<const char*>>{{"-b", "3X"},
                                                               {"-b", "2M", "-e", "1M"},
                                                               {"-f", "0.5"},
                                                               {"-i", "0"},
                                                               {"-n", "0"},
                                                               {"-g", "1"},
                                                               {"--sites", "9"},
                                                               {"--sites", "3", "-g", "2"},
                                                               {"-d", "float128"},
                                                               {"--codec", "r5"},
                                                               {"--wan-rtt", "15"},
                                                               {"--wan-loss", "2"},
                                                               {"--bogus"}}) {
    INFO(bad.front());
    const Parsed parsed = parse(bad);
    CHECK_FALSE(parsed.run);
    CHECK(parsed.exit_status == 2);
    CHECK_FALSE(parsed.text.empty());
  }
}

TEST_CASE("a report keeps what it is made from beside it", "[unit]") {
  const Options alone = parse({"--report", "out/wan.html"}).options;
  CHECK(alone.report_file == "out/wan.html");
  CHECK(alone.json_file == "out/wan.result.json");
  CHECK(alone.trace_file == "out/wan.trace.json");
  const Options named = parse({"--report", "wan.png", "-J", "r.json", "--trace", "t.json"}).options;
  CHECK(named.json_file == "r.json");
  CHECK(named.trace_file == "t.json");
  const Options trace = parse({"--trace", "t.json"}).options;
  CHECK(trace.report_file.empty());
  CHECK(trace.json_file.empty());
}

namespace {

/// Arguments, and what the refusal says.
void check_refused(const std::vector<std::pair<std::vector<const char*>, const char*>>& cases) {
  for (const auto& [arguments, says] : cases) {
    const Parsed parsed = parse(arguments);
    CHECK_FALSE(parsed.run);
    CHECK(parsed.exit_status == 2);
    INFO(parsed.text);
    CHECK(parsed.text.find(says) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("report and trace must be files of their kind", "[unit]") {
  check_refused({
      {{"--report", "wan.pdf"}, "--report 'wan.pdf': the name must end with .html"},
      {{"--report", "wan"}, "must end with .html (a page) or .png (a picture)"},
      {{"--trace", "t.html"}, "--trace 't.html': the name must end with .json"},
      {{"--trace", "x.json", "-J", "x.json"}, "-J and --trace name the same file"},
      {{"--report", "a.html", "--report", "b.html"}, "--report"}});
}

TEST_CASE("GPUs and their baseline", "[unit]") {
  CHECK(parse({}).options.device == -1);
  CHECK(parse({"--device", "3", "--baseline", "nccl"}).options.flat_nccl);
  CHECK_FALSE(parse({"--device", "3"}).options.flat_nccl);
  check_refused({
      {{"--baseline", "nccl"}, "--baseline nccl needs --device"},
      {{"--device", "-1", "--baseline", "nccl"}, "--baseline nccl needs --device"},
      {{"--device", "0", "--baseline", "mpi"}, "--baseline"},
      {{"--device", "-2"}, "--device"}});
}

TEST_CASE("the local rank is the launcher's", "[unit]") {
  const Variable none[] = {{"OMPI_COMM_WORLD_SIZE", nullptr}, {"PMI_SIZE", nullptr},        {"SLURM_STEP_NUM_TASKS", nullptr},
                           {"WORLD_SIZE", nullptr},           {"MPI_LOCALRANKID", nullptr}, {"OMPI_COMM_WORLD_LOCAL_RANK", nullptr},
                           {"SLURM_LOCALID", nullptr}};
  const Variable stray("LOCAL_RANK", "3");
  CHECK(launcher_local_rank() == 0);  // no launcher: somebody else's variable
  const Variable torchrun("WORLD_SIZE", "8");
  CHECK(launcher_local_rank() == 3);
  const Variable slurm("SLURM_LOCALID", "2");
  CHECK(launcher_local_rank() == 2);
}

TEST_CASE("help is a success and names every flag", "[unit]") {
  const Parsed parsed = parse({"-h"});
  CHECK_FALSE(parsed.run);
  CHECK(parsed.exit_status == 0);
  for (const char* flag : {"-b,", "-e,", "-i,", "-f,", "-n,", "-w,", "-c,", "-o,", "-d,", "-g,", "-J,", "--codec",
                           "--sites", "--wan-rtt", "--wan-rate", "--wan-loss", "--wan ", "--report", "--trace", "--device", "--baseline", "Exit status"}) {
    INFO(flag);
    CHECK(parsed.text.find(flag) != std::string::npos);
  }
}

TEST_CASE("sizes between the limits", "[unit]") {
  Options options;
  options.min_bytes = 8;
  options.max_bytes = 100;
  options.step_factor = 2;
  CHECK(sizes(options) == std::vector<std::uint64_t>{8, 16, 32, 64});
  options.step_factor = 1;
  options.step_bytes = 40;
  CHECK(sizes(options) == std::vector<std::uint64_t>{8, 48, 88});
  options.step_factor = 1.01;  // rounds to the same size: must still end
  CHECK(sizes(options).back() <= 100);
  options.min_bytes = 0;
  options.step_factor = 64;
  CHECK(sizes(options) == std::vector<std::uint64_t>{0, 1, 64});
  options.min_bytes = options.max_bytes = 7;
  CHECK(sizes(options) == std::vector<std::uint64_t>{7});
}

TEST_CASE("an ignored codec is not measured twice", "[unit]") {
  Options options;
  options.types = {lhFloat32, lhInt32, lhFloat64};
  options.ops = {lhSum, lhMax};
  options.codecs = {lhCodecI8, lhCodecBf16, lhCodecNone, lhCodecDefault};
  const std::vector<Case> rows = cases(options);
  // float sum: all four. Everything else: exact, once.
  REQUIRE(rows.size() == 4 + 5);
  CHECK(rows[0].codec == lhCodecI8);
  CHECK(rows[4].op == lhMax);
  CHECK(rows[4].codec == lhCodecNone);
  CHECK(rows[0].count == (32u << 20) / 4);
  CHECK(effective_codec(lhCodecLossless, lhBfloat16, lhAvg) == lhCodecLossless);
  CHECK(effective_codec(lhCodecLossless, lhFloat16, lhAvg) == lhCodecNone);
  CHECK(effective_codec(lhCodecR4, lhFloat16, lhAvg) == lhCodecR4);
}

TEST_CASE("ranks are split into consecutive sites", "[unit]") {
  CHECK(site_sizes(4, 2) == std::vector<int>{2, 2});
  CHECK(site_sizes(7, 3) == std::vector<int>{3, 2, 2});
  CHECK(site_sizes(2, 2) == std::vector<int>{1, 1});
}

TEST_CASE("where the ranks come from", "[unit]") {
  Options plain, with_sites;
  with_sites.sites = 2;
  CHECK(choose_mode(plain, false, false) == Mode::Loopback);
  CHECK(choose_mode(with_sites, false, true) == Mode::Loopback);
  CHECK(choose_mode(plain, false, true) == Mode::Configured);
  CHECK(choose_mode(plain, true, true) == Mode::Configured);
  CHECK(choose_mode(with_sites, true, true) == Mode::Split);
  CHECK(choose_mode(plain, true, false) == Mode::Split);
}

}  // namespace longhaul::perf
