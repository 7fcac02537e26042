# SPDX-License-Identifier: Apache-2.0
if(PROJECT_IS_TOP_LEVEL)
  message(STATUS "Longhaul ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE}, UCX ${UCX_VERSION}, MPI ${LH_HAVE_MPI} ${MPI_C_VERSION}, "
                 "kernels for GPUs ${LH_HAVE_CUDA} ${LH_NVCC_VERSION}, NVTX ${LH_HAVE_NVTX}, Gloo ${LH_HAVE_GLOO} ${GLOO_VERSION}, sanitizers '${LH_SANITIZE}', tests ${LH_BUILD_TESTS}")
endif()
