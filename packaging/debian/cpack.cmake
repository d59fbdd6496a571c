# The Debian packages, out of the components of ../CMakeLists.txt.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME katameter)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_HOMEPAGE_URL "")
set(CPACK_COMPONENTS_ALL host guest)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_THREADS 0)
# Whatever the umask of the builder.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_PACKAGE_SOURCE katameter)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

# The newest entry of the changelog has the version, the packager and the revision; the version has to be this tree's.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/changelog changelog)
list(GET changelog 0 newest)
if(NOT newest MATCHES "^katameter \\(([0-9.]+)-([0-9]+)\\) " OR NOT CMAKE_MATCH_1 STREQUAL PROJECT_VERSION)
  message(FATAL_ERROR "packaging/debian/changelog begins with '${newest}', but this is ${PROJECT_VERSION}: add an entry")
endif()
set(CPACK_DEBIAN_PACKAGE_RELEASE ${CMAKE_MATCH_2})
string(REGEX MATCH " -- ([^>]+>)" _ "${changelog}")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${CMAKE_MATCH_1})
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/changelog)

# Of what the programs are built for, which need not be this machine's. scripts/package.sh has dpkg look into the sysroot.
if(CMAKE_CROSSCOMPILING)
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_SYSROOT}/lib/${CMAKE_LIBRARY_ARCHITECTURE}
                                                  ${CMAKE_SYSROOT}/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
endif()

set(CPACK_DEBIAN_HOST_PACKAGE_NAME katameter-host)
set(CPACK_DEBIAN_HOST_PACKAGE_SHLIBDEPS ON)
# `host-probe top` and --pods-from load it (host-probe/http_client.cc): it is not among the linked ones.
set(CPACK_DEBIAN_HOST_PACKAGE_DEPENDS "libcurl4")
set(CPACK_DEBIAN_HOST_PACKAGE_SUGGESTS "prometheus")
set(CPACK_DEBIAN_HOST_DESCRIPTION "metrics of Kata Containers sandboxes on a node
host-probe finds the sandboxes of a node with Kata Containers, measures by
eBPF what their VMM, virtiofsd and shim use, asks guest-probe in each guest
for the values of the containers, and serves all of it to Prometheus under
the names that cAdvisor uses.
.
It comes with a dashboard for Grafana, alerts and scrape configurations for
Prometheus, and manifests for Kubernetes.")
set(CPACK_DEBIAN_HOST_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_LIST_DIR}/host/postinst ${CMAKE_CURRENT_LIST_DIR}/host/prerm ${CMAKE_CURRENT_LIST_DIR}/host/postrm
  ${CMAKE_CURRENT_LIST_DIR}/host/conffiles)

set(CPACK_DEBIAN_GUEST_PACKAGE_NAME katameter-guest)
# For add-to-rootfs.sh: to make what it puts in smaller, and for its archives.
set(CPACK_DEBIAN_GUEST_PACKAGE_SUGGESTS "binutils, xz-utils, zstd")
set(CPACK_DEBIAN_GUEST_DESCRIPTION "eBPF accounting of the containers in a Kata guest
guest-probe runs in the virtual machine of a Kata pod. It reads each
container's CPU, memory, block I/O and OOM kills from the counters of the
guest's kernel, and serves them over vsock to host-probe on the node.
.
To be installed in a guest's root file system, or wherever such images are
built: it comes with what puts it into one, and with fragments for the
configuration of the guest's kernel.")
set(CPACK_DEBIAN_GUEST_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_LIST_DIR}/guest/postinst ${CMAKE_CURRENT_LIST_DIR}/guest/prerm ${CMAKE_CURRENT_LIST_DIR}/guest/postrm)

include(CPack)
