# Warnings, hardening and sanitizers, for everything that is compiled here.
add_compile_definitions(_GNU_SOURCE RAUDAL_VERSION="${PROJECT_VERSION}")
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
                    -Wmissing-prototypes -Wundef -Wvla -fstack-protector-strong)
if(RAUDAL_WERROR)
  add_compile_options(-Werror)
endif()

if(RAUDAL_SANITIZE)
  string(REPLACE ";" "," sanitizers "${RAUDAL_SANITIZE}")
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${sanitizers})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # The sanitizers hide from gcc 12 what it needs to see that a text fits.
    add_compile_options(-Wno-format-truncation -Wno-maybe-uninitialized)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-D_FORTIFY_SOURCE=2)
endif()
add_link_options(-Wl,-z,relro,-z,now)

if(RAUDAL_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()
