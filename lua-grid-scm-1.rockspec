rockspec_format = "3.0"
package = "lua-grid"
version = "scm-1"
-- The folder of this file, by the protocol in luarocks/fetch/folder.lua. `luarocks make` fetches nothing.
source = {
  url = "folder://lua-grid",
  dir = "lua-grid",
}
description = {
  summary = "Keeps OAuth 2.0 sessions fresh, and those of Grid, for Lua 5.4, LuaJIT and OpenResty",
  detailed = [[
    Refreshes sessions whose refresh tokens rotate, once for all programs of a machine; logs in at
    Grid, opens its keys and signs its transactions. From plain Lua, and without blocking from
    nginx, luv and cqueues, on a small C core on libcurl and OpenSSL.]],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.1, < 5.5", -- 5.4, or LuaJIT 2.1 (which LuaRocks knows as 5.1); the Makefile refuses others
  "lua-cjson >= 2.1",
}
-- Libraries only: LuaRocks does not search Debian's multiarch include folder, which has
-- curl/curl.h. The Makefile gets the paths of headers from pkg-config.
external_dependencies = {
  CURL = { library = "curl" },
  SSL = { library = "ssl" },
  CRYPTO = { library = "crypto" },
}
build = {
  type = "make", -- the list of sources is the Makefile's
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
  },
  install_variables = {
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
    INST_ANYDIR = "$(CONFDIR)",
    INST_DOCDIR = "$(PREFIX)",
  },
  -- The Makefile installs README.md beside this folder. Without this line LuaRocks would add a
  -- README.md within it, whose links would be broken.
  copy_directories = { "doc" },
}
-- The command finds its modules by its own path, and its first line names its VM: LuaRocks' wrapper
-- would run that for LuaJIT on PUC Lua 5.1.
deploy = { wrap_bin_scripts = false }
-- One tree may hold the rocks for 5.1 and for 5.4, and LuaRocks keeps them apart: if both owned a file
-- `grid`, the removal of either would remove it. So they own grid-luajit and grid-lua5.4, and this
-- copies `grid`, which runs either of them and which LuaRocks does not track.
hooks = { post_install = [[install -m 755 "$(CONFDIR)/grid" "$(SCRIPTS_DIR)/grid"]] }
