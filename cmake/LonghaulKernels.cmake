# SPDX-License-Identifier: Apache-2.0
# The codecs on a GPU: nvcc makes a fat binary of every kernels/codecs/*/device.cu, which goes into the library as data
# (kernels/cuda/images.h). Nothing of CUDA is linked: docs/decisions/0013. The CPU's kernels are built with lib/.
# Gives LH_GPU_IMAGES, a source file that holds them all, and LH_GPU_FATBINS, which it needs. Included by who compiles that file.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(LH_GPU_DIR ${CMAKE_CURRENT_BINARY_DIR}/gpu)
file(MAKE_DIRECTORY ${LH_GPU_DIR})
set(supported 80 90)
if(LH_NVCC_VERSION VERSION_GREATER_EQUAL 12.8)
  list(APPEND supported 100)
endif()
set(LH_GPU_ARCHITECTURES "${supported}" CACHE STRING "GPUs that kernels are compiled for: compute capabilities without the dot, or native")
set(LH_GPU_CODE)
foreach(arch IN LISTS LH_GPU_ARCHITECTURES)
  if(arch MATCHES "^[0-9]+[af]?$")
    list(APPEND LH_GPU_CODE -gencode arch=compute_${arch},code=sm_${arch})
    set(newest ${arch})
  else()
    list(APPEND LH_GPU_CODE -arch=${arch})
  endif()
endforeach()
if(newest)  # for GPUs that are newer than all of these
  list(APPEND LH_GPU_CODE -gencode arch=compute_${newest},code=compute_${newest})
endif()

# The exactness rule of docs/codecs.md: nothing contracted, denormals kept, IEEE division and square root. A spill is an error.
set(LH_GPU_FLAGS -std=c++20 -O3 --expt-relaxed-constexpr -fmad=false -ftz=false -prec-div=true -prec-sqrt=true -Xptxas=-v -Xptxas=--warn-on-spills)
if(LH_WERROR)
  list(APPEND LH_GPU_FLAGS -Werror=all-warnings)
endif()
set(LH_GPU_FATBINS)
set(LH_GPU_DATA)
set(LH_GPU_ROWS)
foreach(codec bf16 i8 f4 r4 r2 lossless)
  set(source ${PROJECT_SOURCE_DIR}/kernels/codecs/${codec}/device.cu)
  set(fatbin ${LH_GPU_DIR}/${codec}.fatbin)
  # Keeps what ptxas says of registers and spills beside it, for the test cuda_resources.
  add_custom_command(OUTPUT ${fatbin} DEPENDS ${source} DEPFILE ${fatbin}.d VERBATIM COMMENT "Compiling codec ${codec} for GPUs"
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/cuda_resources.py compile ${LH_NVCC} ${LH_GPU_FLAGS} ${LH_GPU_CODE}
            -I${PROJECT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}/include -MD -MF ${fatbin}.d -MT ${fatbin} -fatbin -o ${fatbin} ${source})
  list(APPEND LH_GPU_FATBINS ${fatbin})
  string(APPEND LH_GPU_DATA "LH_IMAGE(${codec}, \"${fatbin}\")\n")
  string(APPEND LH_GPU_ROWS "    {\"${codec}\", lh_image_${codec}},\n")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/kernels/cuda/images.cpp.in ${LH_GPU_DIR}/images.cpp @ONLY)
set(LH_GPU_IMAGES ${LH_GPU_DIR}/images.cpp)
set_source_files_properties(${LH_GPU_IMAGES} PROPERTIES OBJECT_DEPENDS "${LH_GPU_FATBINS}" GENERATED ON)
