-- The protocol of this project's rockspec: its source is the folder that the rockspec
-- lies in. With it `luarocks pack lua-grid-scm-1.rockspec`, run in that folder, packs a
-- source rock without a server. LuaRocks looks for a protocol in the module
-- luarocks.fetch.NAME, and for modules in the folder that it runs in too.

local dir = require "luarocks.dir"
local fs = require "luarocks.fs"

local folder = {}

-- What `make` and `make install` read.
local SOURCES = {
  "Makefile", "lua", "src", "spec/support/check.mk", "doc", "spec/examples",
  "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
}

--- As luarocks.fetch calls it. -> name of the folder with the sources, the folder around
--- it | nil, problem
function folder.get_sources(rockspec, _, dest_dir)
  local store = dest_dir or fs.make_temp_dir(rockspec.name)
  local from, to = dir.dir_name(rockspec.local_abs_filename), dir.path(store, rockspec.source.dir)
  for _, name in ipairs(SOURCES) do
    local source, target = dir.path(from, name), dir.path(to, name)
    if not fs.make_dir(dir.dir_name(target)) or not fs.execute("cp", "-R", source, target) then
      return nil, "cannot copy " .. source
    end
  end
  return rockspec.source.dir, store
end

return folder
