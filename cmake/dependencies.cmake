# System packages by pkg-config; DuckDB by a system copy or build/deps (tools/deps puts it there).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
add_library(raudal_dependencies INTERFACE)
foreach(package jansson sqlite3 libxxhash libzstd zlib libmicrohttpd libedit rdkafka libpq openssl
        liblz4 snappy libcurl)
  pkg_check_modules(${package} REQUIRED IMPORTED_TARGET ${package})
  target_link_libraries(raudal_dependencies INTERFACE PkgConfig::${package})
endforeach()
set(RAUDAL_DEPS "${CMAKE_SOURCE_DIR}/build/deps" CACHE PATH "where fetched libraries lie")
find_path(DUCKDB_INCLUDE_DIR duckdb.h HINTS "${RAUDAL_DEPS}/duckdb/include" REQUIRED)
find_library(DUCKDB_LIBRARY duckdb HINTS "${RAUDAL_DEPS}/duckdb/lib" REQUIRED)
target_include_directories(raudal_dependencies INTERFACE ${DUCKDB_INCLUDE_DIR})
target_link_libraries(raudal_dependencies INTERFACE ${DUCKDB_LIBRARY} Threads::Threads m)
