// SPDX-License-Identifier: Apache-2.0
#include "doctor/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace longhaul::doctor {
namespace {

constexpr double kMss = 1448;
constexpr double kFirstWindow = 10 * kMss;
constexpr TimeNs kSeesDrift = kSecond;
/// Quartz is within 100 ppm; beyond this it is a queue that fills.
constexpr double kMostDrift = 300e-6;

TimeNs delay(const OneWay& message) { return message.received - message.sent; }

/// From the quickest message of the first third to that of the last: waiting in queues only ever adds.
double drift_of(const std::vector<OneWay>& messages) {
  const auto third = static_cast<std::ptrdiff_t>(messages.size() / 3);
  if (third < 10 || messages.back().sent - messages.front().sent < kSeesDrift) return 0;
  const auto quicker = [](const OneWay& a, const OneWay& b) { return delay(a) < delay(b); };
  const auto first = std::min_element(messages.begin(), messages.begin() + third, quicker);
  const auto last = std::min_element(messages.end() - third, messages.end(), quicker);
  const double drift = static_cast<double>(delay(*last) - delay(*first)) / static_cast<double>(last->sent - first->sent);
  return std::abs(drift) <= kMostDrift ? drift : 0;
}

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

}  // namespace

Spread spread_of(const std::vector<OneWay>& messages) {
  if (messages.empty()) return {};
  const double drift = drift_of(messages);
  std::vector<TimeNs> delays;
  for (const OneWay& one : messages)
    delays.push_back(delay(one) - static_cast<TimeNs>(drift * static_cast<double>(one.sent - messages.front().sent)));
  std::sort(delays.begin(), delays.end());
  const TimeNs least = delays.front();
  return {delays[delays.size() / 2] - least, delays[delays.size() * 95 / 100] - least, delays.back() - least, drift * 1e6};
}

double loss_share(const Losses& losses) { return losses.segments == 0 ? 0 : static_cast<double>(losses.lost) / static_cast<double>(losses.segments); }

// Poisson: none seen happens in 5 % of the cases where three were to be expected.
double loss_bound(const Losses& losses) { return losses.segments < 3 ? 1 : 3 / static_cast<double>(losses.segments); }

std::string loss_text(const Losses& losses) {
  if (losses.segments == 0) return "not known";
  if (losses.lost == 0) return fmt::format("none of {} segments: below {:.2g} %", with_commas(losses.segments), loss_bound(losses) * 100);
  return fmt::format("{:.2g} % ({} of {} segments)", loss_share(losses) * 100, with_commas(losses.lost), with_commas(losses.segments));
}

double loss_based_rate(const std::string& congestion, TimeNs rtt, double loss) {
  const double seconds = static_cast<double>(std::max<TimeNs>(1, rtt)) / 1e9, share = std::max(loss, 1e-9);
  double packets = 1.22 / std::sqrt(share);
  if (congestion == "cubic") packets = std::max(packets, 1.054 * std::pow(seconds / share, 0.75));
  return packets * kMss * 8 / seconds;
}

TimeNs slow_start_cost(std::uint64_t bytes, TimeNs rtt, double bits_per_s) {
  if (bits_per_s <= 0) return 0;
  const double ns_per_byte = 8e9 / bits_per_s, round = static_cast<double>(rtt);
  double left = static_cast<double>(bytes), cost = 0;
  // A round ends when its acknowledgements are back; it costs what of that time the link stood still.
  for (double window = kFirstWindow; left > window && window * ns_per_byte < round; window *= 2) {
    cost += round - window * ns_per_byte;
    left -= window;
  }
  return static_cast<TimeNs>(cost);
}

std::string rate_text(double bits) {
  if (bits >= 1e9) return fmt::format("{:.2f} Gbit/s", bits / 1e9);
  if (bits >= 1e6) return bits < 1e7 ? fmt::format("{:.1f} Mbit/s", bits / 1e6) : fmt::format("{:.0f} Mbit/s", bits / 1e6);
  return fmt::format("{:.0f} kbit/s", bits / 1e3);
}

std::string ms_text(TimeNs time) {
  const double ms = static_cast<double>(time) / 1e6, size = std::abs(ms);
  return size >= 100 ? fmt::format("{:.0f} ms", ms) : size >= 10 ? fmt::format("{:.1f} ms", ms) : fmt::format("{:.2f} ms", ms);
}

std::string bytes_text(double bytes) {
  if (bytes >= 1 << 30) return fmt::format("{:.3g} GiB", bytes / (1 << 30));
  return bytes >= 1 << 20 ? fmt::format("{:.3g} MiB", bytes / (1 << 20)) : fmt::format("{:.0f} KiB", bytes / 1024);
}

}  // namespace longhaul::doctor
