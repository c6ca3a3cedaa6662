# make install: the program, the library for other programs, a copy of DuckDB beside them, the
# manual page and shell completions.  The copy is found by a path relative to whoever loads it,
# so that the installed tree can be moved.
set(RAUDAL_PRIVATE_LIBDIR ${CMAKE_INSTALL_LIBDIR}/raudal)
file(RELATIVE_PATH bin_to_lib /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${RAUDAL_PRIVATE_LIBDIR})

if(TARGET raudal)
  set_target_properties(raudal PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  install(TARGETS raudal RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

if(EXISTS ${CMAKE_SOURCE_DIR}/include/raudal.h)
  # Only what raudal.h declares can be seen from outside.
  set(exports ${CMAKE_BINARY_DIR}/raudal.map)
  add_custom_command(
    OUTPUT ${exports}
    COMMAND awk -f ${CMAKE_SOURCE_DIR}/tools/exports.awk ${CMAKE_SOURCE_DIR}/include/raudal.h
            > ${exports}
    DEPENDS include/raudal.h tools/exports.awk)
  add_custom_target(raudal_exports DEPENDS ${exports})
  add_library(raudal_shared SHARED include/raudal.h)
  set_target_properties(raudal_shared PROPERTIES
    OUTPUT_NAME raudal LINKER_LANGUAGE C VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR} INSTALL_RPATH "$ORIGIN/raudal")
  add_dependencies(raudal_shared raudal_exports)
  target_link_libraries(raudal_shared PRIVATE
    -Wl,--whole-archive raudal_objects -Wl,--no-whole-archive)
  target_link_options(raudal_shared PRIVATE -Wl,--version-script=${exports})
  install(TARGETS raudal_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES include/raudal.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endif()

get_filename_component(duckdb_file ${DUCKDB_LIBRARY} REALPATH)
install(FILES ${duckdb_file} DESTINATION ${RAUDAL_PRIVATE_LIBDIR} RENAME libduckdb.so)

# The program writes its own manual page and completions, from the table of its commands.
if(TARGET raudal)
  set(generated ${CMAKE_BINARY_DIR}/share)
  install(CODE "
    file(MAKE_DIRECTORY ${generated})
    foreach(page \"man;raudal.1\" \"completion;bash;raudal\" \"completion;zsh;_raudal\"
                 \"completion;fish;raudal.fish\")
      list(POP_BACK page file)
      list(POP_FRONT page kind)
      execute_process(COMMAND ${CMAKE_BINARY_DIR}/raudal help --\${kind} \${page}
                      OUTPUT_FILE ${generated}/\${file} COMMAND_ERROR_IS_FATAL ANY)
    endforeach()")
  install(FILES ${generated}/raudal.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${generated}/raudal
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${generated}/_raudal DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${generated}/raudal.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
