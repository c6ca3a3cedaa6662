# One executable and one CTest per tests/unit/*_test.c; each fuzz target over its corpus; the
# scripts of tests/slt and of the examples; the laws of the house.
pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
set(top ${CMAKE_SOURCE_DIR})

# Many leaks that a sanitizer reports are DuckDB's own caches, freed by nobody at exit.
set(test_environment
    "TZ=America/Bogota" "RAUDAL_TEST_ROOT=${top}"
    "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1"
    "LSAN_OPTIONS=suppressions=${top}/tools/sanitizers/lsan.supp:print_suppressions=0"
    "TSAN_OPTIONS=suppressions=${top}/tools/sanitizers/tsan.supp:halt_on_error=1"
    "UBSAN_OPTIONS=print_stacktrace=1")

function(raudal_test name label)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${top})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 600
                       ENVIRONMENT "${test_environment}")
endfunction()

# The program of one file, named as the file, below the build's folder as below the tree's.
function(raudal_test_program file)
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(dir ${file} DIRECTORY)
  file(RELATIVE_PATH dir ${CMAKE_SOURCE_DIR} ${dir})
  add_executable(${name} ${file})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${dir})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} tests)
  target_compile_options(${name} PRIVATE -UNDEBUG) # what a fuzz target asserts holds in every build
  target_link_libraries(${name} PRIVATE raudal_objects PkgConfig::cmocka)
endfunction()

file(GLOB unit_tests CONFIGURE_DEPENDS tests/unit/*_test.c)
foreach(file ${unit_tests})
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_test$" "" module ${name})
  raudal_test_program(${file})
  raudal_test(unit.${module} unit $<TARGET_FILE:${name}>)
endforeach()

file(GLOB fuzzers CONFIGURE_DEPENDS tests/fuzz/*_fuzz.c)
foreach(file ${fuzzers})
  get_filename_component(name ${file} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" target ${name})
  raudal_test_program(${file})
  if(RAUDAL_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE tests/fuzz/replay.c)
    raudal_test(fuzz.${target} fuzz $<TARGET_FILE:${name}> tests/fuzz/corpus/${target})
  endif()
endforeach()

if(TARGET raudal)
  # A folder of scripts each, so that they run beside each other; make torture sweeps in full.
  file(GLOB slt_dirs CONFIGURE_DEPENDS LIST_DIRECTORIES true tests/slt/*)
  foreach(dir ${slt_dirs})
    get_filename_component(topic ${dir} NAME)
    raudal_test(slt.${topic} slt $<TARGET_FILE:raudal> test ${dir})
    set_property(TEST slt.${topic} APPEND PROPERTY ENVIRONMENT "RAUDAL_SWEEP=sample")
    set_property(TEST slt.${topic} PROPERTY FAIL_REGULAR_EXPRESSION "there are no scripts")
  endforeach()
  file(GLOB examples CONFIGURE_DEPENDS examples/*/tests)
  foreach(dir ${examples})
    get_filename_component(example_dir ${dir} DIRECTORY)
    get_filename_component(example ${example_dir} NAME)
    file(GLOB_RECURSE scripts ${dir}/*.slt)
    if(scripts)
      raudal_test(example.${example} slt $<TARGET_FILE:raudal> test examples/${example})
    endif()
  endforeach()
endif()

# tests/cli/*.sh and an example's tests/*.sh get the program's path as $1 and $RAUDAL, the
# generator's as $GENERATE; exit status 77 is a skip that says why.  tests/crash/*.sh are for
# make check and make torture: they take minutes.
file(GLOB shell_tests CONFIGURE_DEPENDS tests/cli/*.sh examples/*/tests/*.sh)
foreach(file ${shell_tests})
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(dir ${file} DIRECTORY)
  string(REGEX REPLACE "_test$" "" subject ${name})
  raudal_test(cli.${subject} cli bash ${file} ${CMAKE_BINARY_DIR}/raudal)
  set_property(TEST cli.${subject} APPEND PROPERTY ENVIRONMENT
    "RAUDAL=${CMAKE_BINARY_DIR}/raudal"
    "GENERATE=${CMAKE_BINARY_DIR}/examples/cloud_analytics/generate"
    "BUILD=${CMAKE_BINARY_DIR}" "LC_ALL=C.UTF-8")
  set_tests_properties(cli.${subject} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()

raudal_test(laws.layers laws bash ${top}/tools/check-layers.sh)
raudal_test(laws.banned laws bash ${top}/tools/check-banned.sh)
raudal_test(laws.own_tests laws bash ${top}/tools/check-laws-test.sh)

# Programs that the scripts of tests/services run against real servers.
file(GLOB service_programs CONFIGURE_DEPENDS tests/services/*.c)
foreach(file ${service_programs})
  raudal_test_program(${file})
endforeach()
