# Everything that has to be on the build machine, each with the Debian package that brings it.
# A missing one stops the configuration with a line that names the package.

function(require_program variable program package)
  find_program(${variable} NAMES ${program} PATHS /usr/sbin)
  if(NOT ${variable})
    message(FATAL_ERROR "${program} was not found: install the Debian package '${package}' (scripts/packages.sh build)")
  endif()
endfunction()

function(require_header variable header package)
  find_path(${variable} ${header})
  if(NOT ${variable})
    message(FATAL_ERROR "<${header}> was not found: install the Debian package '${package}' (scripts/packages.sh build)")
  endif()
endfunction()

function(require_library variable library package)
  find_library(${variable} NAMES ${library})
  if(NOT ${variable})
    message(FATAL_ERROR "${library} was not found: install the Debian package '${package}' (scripts/packages.sh build)")
  endif()
endfunction()

require_program(CLANG clang clang)
require_program(LLVM_STRIP llvm-strip llvm)
require_program(BPFTOOL bpftool bpftool)
require_header(LIBBPF_INCLUDE bpf/libbpf.h libbpf-dev)
require_header(SPDLOG_INCLUDE spdlog/spdlog.h libspdlog-dev)
require_header(FMT_INCLUDE fmt/format.h libfmt-dev)
require_header(SECCOMP_INCLUDE seccomp.h libseccomp-dev)
require_header(PROTOZERO_INCLUDE protozero/pbf_reader.hpp libprotozero-dev)
require_header(EXPECTED_INCLUDE tl/expected.hpp libexpected-dev)
require_header(CLI11_INCLUDE CLI/CLI.hpp libcli11-dev)
require_header(JSON_INCLUDE nlohmann/json.hpp nlohmann-json3-dev)
require_header(PROMETHEUS_INCLUDE prometheus/registry.h prometheus-cpp-dev)
require_header(MICROHTTPD_INCLUDE microhttpd.h libmicrohttpd-dev)
require_header(GNUTLS_INCLUDE gnutls/gnutls.h libgnutls28-dev)
require_header(ZLIB_INCLUDE zlib.h zlib1g-dev)
require_header(YAML_CPP_INCLUDE yaml-cpp/yaml.h libyaml-cpp-dev)
require_header(CRYPT_INCLUDE crypt.h libcrypt-dev)
require_header(SYSTEMD_INCLUDE systemd/sd-daemon.h libsystemd-dev)
require_header(CURL_INCLUDE curl/curl.h libcurl4-openssl-dev)  # loaded by host-probe/http_client.cc, not linked
require_header(GRPC_INCLUDE grpcpp/grpcpp.h libgrpc++-dev)

# guest-probe carries its libraries inside, so the archives are asked for, not the shared objects.
require_library(LIBBPF_ARCHIVE libbpf.a libbpf-dev)
require_library(LIBELF_ARCHIVE libelf.a libelf-dev)
require_library(SECCOMP_ARCHIVE libseccomp.a libseccomp-dev)
require_library(LIBZ_ARCHIVE libz.a zlib1g-dev)
require_library(PROMETHEUS_CORE prometheus-cpp-core prometheus-cpp-dev)
require_library(MICROHTTPD microhttpd libmicrohttpd-dev)
require_library(GNUTLS gnutls libgnutls28-dev)
require_library(ZLIB z zlib1g-dev)
require_library(YAML_CPP yaml-cpp libyaml-cpp-dev)
require_library(SYSTEMD_LIBRARY systemd libsystemd-dev)
# gRPC goes through Unix sockets only: the build of it that has no TLS.
require_library(GRPCXX_LIBRARY grpc++_unsecure libgrpc++-dev)
require_library(GRPC_LIBRARY grpc_unsecure libgrpc-dev)
require_library(GPR_LIBRARY gpr libgrpc-dev)
require_library(ABSL_SYNCHRONIZATION absl_synchronization libabsl-dev)  # its headers use it

add_library(katameter_libbpf INTERFACE)
target_link_libraries(katameter_libbpf INTERFACE ${LIBBPF_ARCHIVE} ${LIBELF_ARCHIVE} ${LIBZ_ARCHIVE})
