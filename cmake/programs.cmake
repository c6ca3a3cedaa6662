# Programs beside the product: the examples' generators and the benchmarks.
foreach(kind generate producer)
  file(GLOB files CONFIGURE_DEPENDS examples/*/${kind}.c)
  foreach(file ${files})
    get_filename_component(dir ${file} DIRECTORY)
    get_filename_component(example ${dir} NAME)
    add_executable(${kind}_${example} ${file})
    set_target_properties(${kind}_${example} PROPERTIES OUTPUT_NAME ${kind}
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples/${example})
    target_link_libraries(${kind}_${example} PRIVATE m)
    if(kind STREQUAL "producer")
      target_link_libraries(${kind}_${example} PRIVATE PkgConfig::rdkafka)
    endif()
  endforeach()
endforeach()

file(GLOB benches CONFIGURE_DEPENDS bench/*/*.c)
foreach(file ${benches})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench)
  target_link_libraries(${name} PRIVATE raudal_objects)
endforeach()

# The client of Cassandra's protocol used as another program would: by its shared library alone.
add_executable(readings examples/cql_client/readings.c)
set_target_properties(readings PROPERTIES
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples/cql_client)
target_include_directories(readings PRIVATE src)
target_link_libraries(readings PRIVATE raudal_cql)
