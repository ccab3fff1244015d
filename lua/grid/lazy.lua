-- Loads modules when a field of them is first read, since loading all of them takes
-- longer than one call. Inside nginx they are loaded immediately, in init_by_lua, since a
-- worker may not be able to read their files.
-- Owns: the modules of this copy of the library, and the names of those to be held.
-- Does not know: any module.

local lazy = {}

local here = debug.getinfo(1, "S").source:match "^@(.*)lazy%.lua$"

local copy        -- name -> module, see lazy.remember
local unread = {} -- set of the modules that are held, and whose files have not been read
local texts = {}  -- name -> text of a module that is held, and not compiled

local function loaded_modules()
  local modules = {}
  for name, module in pairs(package.loaded) do
    if name:find "^grid%." then modules[name] = module end
  end
  return modules
end

local function replace_loaded(modules)
  for name in pairs(loaded_modules()) do package.loaded[name] = nil end
  for name, module in pairs(modules) do package.loaded[name] = module end
end

--- Stores which modules have been loaded. A program may load another copy of the library,
--- after it has removed them from package.loaded: modules that this copy loads later
--- require these. Inside nginx it loads none later, and must not keep these alive.
function lazy.remember()
  if not rawget(_G, "ngx") then copy = loaded_modules() end
end

local function path_of(name)
  return here .. name:gsub("^grid%.", ""):gsub("%.", "/") .. ".lua"
end

local load_module

-- Compiles a module that is held, and before it those that it requires.
local function compile(name, text)
  texts[name] = nil
  for needed in text:gmatch 'require "(grid%.[%w_.]+)"' do load_module(needed) end
  if not package.loaded[name] then package.loaded[name] = assert(load(text, "@" .. path_of(name)))(name) end
end

function load_module(name)
  if texts[name] then compile(name, texts[name]) end
  return require(name)
end

local function load_for_copy(name)
  if not copy or package.loaded["grid.lazy"] == lazy then return load_module(name) end
  local others = loaded_modules()
  replace_loaded(copy)
  local ok, module = pcall(load_module, name)
  copy = loaded_modules()
  replace_loaded(others)
  if not ok then error(module, 0) end
  return module
end

--- The module, for reading its fields.
---@param name string
---@return table
function lazy.module(name)
  if rawget(_G, "ngx") then return require(name) end
  return setmetatable({}, {
    __index = function(self, field)
      self[field] = load_for_copy(name)[field]
      return rawget(self, field)
    end,
  })
end

--- A module that few answers need. Its file is read before a request is sent: when the
--- answer is received, the process may have no descriptor left, or the folder another
--- version of the library. The same goes for modules that only such modules require.
---@param name string
---@return table
function lazy.held(name)
  if not rawget(_G, "ngx") then unread[name] = true end
  return lazy.module(name)
end

local function read(name)
  local file = here and io.open(path_of(name), "rb")
  if not file then return load_for_copy(name) end
  texts[name] = file:read "*a"
  file:close()
end

--- Reads the files of modules that are held. A module that is not in a file beside this
--- one is loaded.
function lazy.read_held()
  local name = next(unread)
  while name do
    unread[name] = nil
    read(name)
    name = next(unread)
  end
end

return lazy
