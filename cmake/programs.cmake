# Programs beside the product: the examples' generators and the benchmarks.
file(GLOB generators CONFIGURE_DEPENDS examples/*/generate.c)
foreach(file ${generators})
  get_filename_component(dir ${file} DIRECTORY)
  get_filename_component(example ${dir} NAME)
  add_executable(generate_${example} ${file})
  set_target_properties(generate_${example} PROPERTIES OUTPUT_NAME generate
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples/${example})
  target_link_libraries(generate_${example} PRIVATE m)
endforeach()

file(GLOB producers CONFIGURE_DEPENDS examples/*/producer.c)
foreach(file ${producers})
  get_filename_component(dir ${file} DIRECTORY)
  get_filename_component(example ${dir} NAME)
  add_executable(producer_${example} ${file})
  set_target_properties(producer_${example} PROPERTIES OUTPUT_NAME producer
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples/${example})
  target_link_libraries(producer_${example} PRIVATE m PkgConfig::rdkafka)
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
