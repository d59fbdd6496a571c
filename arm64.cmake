# The toolchain of the preset arm64: what runs on that processor is built on another one, by clang and binutils of
# Debian, with Debian's own arm64 libraries (scripts/sysroot.sh). What runs while building (clang for BPF, bpftool) is the
# build machine's. On an arm64 machine the other presets build for arm64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# CMake reads this file for each of its trial programs as well; they have it from here.
if(NOT CMAKE_SYSROOT)
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/scripts/sysroot.sh arm64
                  OUTPUT_VARIABLE CMAKE_SYSROOT OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()

# One package for all targets; the cross g++ brings a C library of its own, which has no security updates.
set(CMAKE_C_COMPILER clang)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_C_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-linux-gnu)
set(CMAKE_STRIP aarch64-linux-gnu-strip)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
