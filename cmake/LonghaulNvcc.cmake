# SPDX-License-Identifier: Apache-2.0
# Finds nvcc: LH_NVCC, and LH_NVCC_VERSION where it is one that can compile the kernels (C++20).
find_program(LH_NVCC nvcc HINTS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin)
set(LH_NVCC_VERSION)
if(LH_NVCC)
  execute_process(COMMAND ${LH_NVCC} --version OUTPUT_VARIABLE said ERROR_QUIET)
  if(said MATCHES "release ([0-9]+\\.[0-9]+)" AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL 12.0)
    set(LH_NVCC_VERSION ${CMAKE_MATCH_1})
  endif()
endif()
