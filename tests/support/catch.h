// SPDX-License-Identifier: Apache-2.0
// The only include of Catch2 in this repository: hides the difference between version 2 (Debian 12, Ubuntu 22.04)
// and 3.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
