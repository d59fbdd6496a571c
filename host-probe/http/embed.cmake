# cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake FILES: the files of the page as one C++ source (pages.h).
set(rows "")
foreach(file IN LISTS FILES)
  file(READ ${FOLDER}/${file} text)
  string(FIND "${text}" ")katameter\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} has the end of a raw string in it")
  endif()
  string(APPEND rows "    {\"${file}\", R\"katameter(${text})katameter\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"host-probe/http/pages.h\"\n\nnamespace katameter::host::http {\n\n"
     "std::span<const PageFile> page_files() {\n  static constexpr PageFile files[] = {\n${rows}  };\n  return files;\n}\n\n"
     "}  // namespace katameter::host::http\n")
