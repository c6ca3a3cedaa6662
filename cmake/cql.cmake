# libraudal-cql: src/cql and the files of src/base that it uses, compiled once for this library and for
# the program.  make install puts it, its headers and raudal-cql.pc in place; component cql installs
# these alone.
set(cql_base arena clock err fault file fs hash path socket str tls)
list(TRANSFORM cql_base REPLACE "(.+)" "${CMAKE_SOURCE_DIR}/src/base/\\1.c")
file(GLOB cql_sources CONFIGURE_DEPENDS src/cql/*.c)
list(APPEND cql_sources ${cql_base})
list(REMOVE_ITEM RAUDAL_SOURCES ${cql_sources})

set(cql_packages openssl liblz4 zlib jansson libxxhash)
set(cql_headers base/arena.h base/err.h base/socket.h base/str.h base/tls.h)
add_library(raudal_cql_objects OBJECT ${cql_sources})
target_include_directories(raudal_cql_objects PRIVATE src)
target_link_libraries(raudal_cql_objects PRIVATE Threads::Threads)
foreach(package ${cql_packages})
  target_link_libraries(raudal_cql_objects PRIVATE PkgConfig::${package})
endforeach()

# Only what its headers declare can be seen from outside.
list(TRANSFORM cql_headers PREPEND ${CMAKE_SOURCE_DIR}/src/ OUTPUT_VARIABLE cql_declared)
set(cql_exports ${CMAKE_BINARY_DIR}/raudal-cql.map)
add_custom_command(
  OUTPUT ${cql_exports}
  COMMAND awk -f ${CMAKE_SOURCE_DIR}/tools/exports.awk ${CMAKE_SOURCE_DIR}/src/cql/cql.h
          ${cql_declared} > ${cql_exports}
  DEPENDS src/cql/cql.h ${cql_declared} tools/exports.awk)
add_custom_target(raudal_cql_exports DEPENDS ${cql_exports})
add_library(raudal_cql SHARED $<TARGET_OBJECTS:raudal_cql_objects>)
set_target_properties(raudal_cql PROPERTIES OUTPUT_NAME raudal-cql VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE C)
add_dependencies(raudal_cql raudal_cql_exports)
target_link_libraries(raudal_cql PRIVATE Threads::Threads m)
foreach(package ${cql_packages})
  target_link_libraries(raudal_cql PRIVATE PkgConfig::${package})
endforeach()
target_link_options(raudal_cql PRIVATE -Wl,--version-script=${cql_exports})
if(NOT RAUDAL_SANITIZE AND NOT RAUDAL_FUZZ)
  target_link_options(raudal_cql PRIVATE -Wl,--no-undefined) # base/ grew a need: add it above
endif()

file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/raudal-cql.pc.in raudal-cql.pc @ONLY)
install(TARGETS raudal_cql LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cql)
install(FILES ${CMAKE_BINARY_DIR}/raudal-cql.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT cql)
install(FILES src/cql/cql.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/raudal/cql COMPONENT cql)
install(FILES ${cql_declared} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/raudal/base COMPONENT cql)
