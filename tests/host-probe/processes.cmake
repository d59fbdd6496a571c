# Processes of sandboxes. The BPF test needs root and a kernel with BTF; where it cannot run it fails.
add_executable(processes_tests main.cc processes_identity.cc processes_totals.cc)
target_link_libraries(processes_tests PRIVATE katameter_processes katameter_options)
add_test(NAME processes COMMAND processes_tests)

find_package(Threads REQUIRED)
add_executable(processes_actor processes_actor.cc)
target_link_libraries(processes_actor PRIVATE Threads::Threads katameter_options)

add_executable(processes_bpf_tests main.cc processes_bpf_cpu.cc processes_bpf_discovery.cc processes_bpf_memory.cc
                                   processes_bpf_roles.cc processes_bpf_usage.cc processes_bpf_vhost.cc processes_support.cc)
target_link_libraries(processes_bpf_tests PRIVATE katameter_processes katameter_options)
target_include_directories(processes_bpf_tests PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_definitions(processes_bpf_tests PRIVATE PROCESSES_ACTOR="$<TARGET_FILE:processes_actor>")
add_dependencies(processes_bpf_tests processes_actor)
add_test(NAME processes_bpf COMMAND processes_bpf_tests)
set_tests_properties(processes_bpf PROPERTIES TIMEOUT 600 RUN_SERIAL ON)

# vhost: a kernel thread of its own, and a thread of the VMM.
if(KATAMETER_VM_TESTS)
  foreach(kernel 5.10.262 6.12)
    add_test(NAME processes_vhost-${kernel}
             COMMAND ${CMAKE_SOURCE_DIR}/tests/vm/in_guest.sh ${CMAKE_CURRENT_BINARY_DIR}/vhost-${kernel}.report
                     --kernel ${kernel} --cgroup $<IF:$<STREQUAL:${kernel},6.12>,v2,v1> --
                     ${CMAKE_CURRENT_SOURCE_DIR}/vhost_in_guest.sh $<TARGET_FILE:processes_bpf_tests>)
    set_tests_properties(processes_vhost-${kernel} PROPERTIES TIMEOUT 1300 LABELS vm)
  endforeach()
endif()
