// SPDX-License-Identifier: Apache-2.0
// The installed C++ wrapper, from an ordinary C++20 program.
#include <cstdio>
#include <longhaul/longhaul.hpp>

int main() {
  auto comms = longhaul::Communicator::loopback({2});
  std::vector<int> first{1}, second{2};
  longhaul::Group group;
  comms[0].all_reduce(first);
  comms[1].all_reduce(second);
  group.end();
  std::printf("consumer: C++, sum %d\n", first[0]);
  return first[0] == 3 && second[0] == 3 ? 0 : 1;
}
