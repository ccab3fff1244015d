-- Loads modules when a field of them is first read, since loading all of them takes
-- longer than one call. Inside nginx they are loaded immediately, in init_by_lua, since a
-- worker may not be able to read their files.
-- Owns: the modules of this copy of the library, and the names of those to be held.
-- Does not know: any module.

local unpack = table.unpack or unpack

local lazy = {}

local here = debug.getinfo(1, "S").source:match "^@(.*)lazy%.lua$"

local copy        -- name -> module, see lazy.remember
local unread = {} -- names of modules that are held, and whose files have not been read
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
--- require these.
function lazy.remember()
  copy = loaded_modules()
end

local function path_of(name)
  return here .. name:gsub("^grid%.", ""):gsub("%.", "/") .. ".lua"
end

-- The first module. The others, which it requires, are loaded before it.
local function load_module(name, ...)
  if ... then load_module(...) end
  local text = texts[name]
  texts[name] = nil
  if text and not package.loaded[name] then package.loaded[name] = assert(load(text, "@" .. path_of(name)))(name) end
  return require(name)
end

local function load_for_copy(...)
  if not copy or package.loaded["grid.lazy"] == lazy then return load_module(...) end
  local others = loaded_modules()
  replace_loaded(copy)
  local ok, module = pcall(load_module, ...)
  copy = loaded_modules()
  replace_loaded(others)
  if not ok then error(module, 0) end
  return module
end

local function proxy(...)
  local names = { ... }
  return setmetatable({}, {
    __index = function(self, field)
      self[field] = load_for_copy(unpack(names))[field]
      return rawget(self, field)
    end,
  })
end

--- The module, for reading its fields.
---@param name string
---@return table
function lazy.module(name)
  return rawget(_G, "ngx") and require(name) or proxy(name)
end

--- A module that few answers need, and the names of those that it requires and that are
--- held, too. Its file is read before a request is sent: when the answer is received, the
--- process may have no descriptor left, or the folder another version of the library.
---@param name string
---@return table
function lazy.held(name, ...)
  if rawget(_G, "ngx") then return require(name) end
  for _, one in ipairs { name, ... } do unread[#unread + 1] = one end
  return proxy(name, ...)
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
  for i = #unread, 1, -1 do
    read(unread[i])
    unread[i] = nil
  end
end

return lazy
