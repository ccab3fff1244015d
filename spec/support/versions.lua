-- Prints what the tests run with: the libcurl and the OpenSSL that LuaJIT's module loads,
-- LuaJIT itself, and nginx.
-- Does not know: which versions are supported.
local ffi = require "ffi"

ffi.cdef "const char *curl_version(void);"

local core = assert(package.searchpath("grid.core", package.cpath)):gsub("core%.so$", "libgridcore.so")
local nginx = io.popen "PATH=$PATH:/usr/sbin:/usr/local/sbin nginx -v 2>&1"
print(("with %s, %s, %s"):format(ffi.string(ffi.load(core).curl_version()), jit.version, nginx:read("*a"):match "[^\n]*"))
