-- The LuaCATS annotations against what is there: every public name is annotated, and nothing that is not.

local core = require "grid.core"
local grid = require "grid"
local options = require "grid.options"
local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function lines_of(path)
  return read(path):gmatch "([^\n]*)\n"
end

-- The fields of an annotated class: name -> its type and the words on it.
local function fields_of(path, class)
  local fields, inside = {}, false
  for line in lines_of(path) do
    local begins = line:match "^%-%-%-@class ([^:]+)"
    if begins then inside = begins:gsub("^%(exact%) ", ""):match "^%S+" == class
    elseif not line:find "^%-%-%-" then inside = false end
    local name, rest = line:match "^%-%-%-@field ([%w_]+)%??%s+(.+)$"
    if inside and name then fields[name] = rest end
  end
  assert(next(fields), "no annotated class " .. class)
  return fields
end

-- Definitions and the comments right above them: name -> { parameters, comment }.
local function definitions_of(path, owner)
  local found, comment = {}, {}
  for line in lines_of(path) do
    local name, parameters = line:match("^function " .. owner .. "[.:]([%w_]+)%((.-)%)")
    name = name or line:match("^" .. owner .. "%.([%w_]+) = ")
    if name then found[name] = { parameters = parameters or "", comment = table.concat(comment, "\n") .. "\n" } end
    comment[line:find "^%-%-%-" and #comment + 1 or 1] = line
    if not line:find "^%-%-%-" then comment = {} end
  end
  return found
end

local function assert_parameters(name, definition)
  for parameter in definition.parameters:gmatch "[%w_.]+" do
    assert.is_truthy(definition.comment:find("---@param " .. parameter, 1, true), name .. ": " .. parameter)
  end
end

describe("the annotations", function()
  it("name everything in the module grid, and no more", function()
    assert.same(sorted(grid), sorted(fields_of("lua/grid/init.lua", "grid")))
  end)

  it("name every method of a client, its parameters and what it returns", function()
    local internal = { engine = true }
    local definitions = definitions_of("lua/grid/client.lua", "Client")
    for name in pairs(getmetatable(grid.new())) do
      if not name:find "^__" and not internal[name] then
        local definition = definitions[name]
        assert(definition, "no definition of " .. name)
        assert.is_truthy(definition.comment:find "^%-%-%- %S", name .. " is not described")
        if not definition.comment:find("---@type fun(self: grid.Client", 1, true) then
          assert_parameters(name, definition)
          assert.is_true(name == "close" or definition.comment:find("---@return", 1, true) ~= nil, name)
        end
      end
    end
  end)

  it("name every option, and no more", function()
    assert.same(sorted(options.client), sorted(fields_of("lua/grid/options.lua", "grid.Options")))
    assert.same(sorted(options.call), sorted(fields_of("lua/grid/options.lua", "grid.CallOptions")))
  end)

  it("say what an option is when it is not given", function()
    local fields = fields_of("lua/grid/options.lua", "grid.Options")
    for name, declared in pairs(options.client) do
      local default = declared.default
      if type(default) == "string" or type(default) == "number" then
        assert.is_truthy(fields[name]:find(tostring(default), 1, true), name .. ": " .. fields[name])
      end
    end
  end)

  it("name fields of requests that are taken", function()
    local client = grid.new()
    local takers = {
      ["grid.RefreshRequest"] = { "lua/grid/endpoints.lua", function(given) client:refresh_session(given) end },
      ["grid.InitAuthRequest"] = { "lua/grid/endpoints.lua", function(given) client:init_auth(given) end },
      ["grid.CompleteAuthRequest"] = { "lua/grid/endpoints.lua", function(given) client:complete_auth(given) end },
      ["grid.ManyOptions"] = { "lua/grid/batch.lua", function(given) client:refresh_sessions({}, given) end },
    }
    for class, taker in pairs(takers) do
      for name in pairs(fields_of(taker[1], class)) do
        local _, message = pcall(taker[2], { [name] = coroutine.create(print) })
        assert.is_truthy(message:find("'" .. name .. "' must be", 1, true) or message:find("is missing", 1, true), message)
        assert.is_nil(message:find("unknown", 1, true), message)
      end
    end
    client:close()
  end)

  it("name every function and method of the C core, their parameters, and no more", function()
    local meta = "lua/grid/meta/core.lua"
    local functions = definitions_of(meta, "core")
    assert.same(sorted(core), sorted(functions))
    for name, definition in pairs(functions) do assert_parameters(name, definition) end
    for class, metatable in pairs(debug.getregistry()) do
      local owner = type(class) == "string" and class:match "^grid%.core%.(%l+)$"
      local methods = owner and sorted(metatable.__index)
      if owner and #methods > 1 then -- the others are nobody's to call
        local annotated = definitions_of(meta, owner)
        assert.same(methods, sorted(annotated), class)
        for name, definition in pairs(annotated) do assert_parameters(class .. ":" .. name, definition) end
        assert.is_truthy(read(meta):find("---@class " .. class .. "\n", 1, true), class)
      end
    end
    assert(loadfile(meta))()
  end)

  describe("of what a call gives", function()
    local server

    setup(function() server = sandbox.start() end)
    teardown(function() server:stop() end)

    it("name every field of results, errors and events, and events have each of theirs", function()
      rig.mark()
      local result, problem = fields_of("lua/grid/result.lua", "grid.Result"), fields_of("lua/grid/errors.lua", "grid.Error")
      local annotated, heard = fields_of("lua/grid/call.lua", "grid.Event"), {}
      local host = rig.virtual_host()
      local client = rig.client(server, { retries = 1, host = host, on_event = function(event)
        for name in pairs(event) do heard[name] = true end
      end })
      for name in pairs(assert(client:refresh_session(rig.request(server)))) do assert.is_truthy(result[name], name) end
      server:fault { kind = "status", status = 429, retry_after = 1, count = 2 }
      local _, err = client:refresh_session(rig.request(server))
      for name in pairs(err) do assert.is_truthy(problem[name], name) end
      assert.same(sorted(annotated), sorted(heard))
      for _, name in ipairs { "body", "cookies" } do assert.is_truthy(problem[name]) end
      client:close()
      rig.assert_nothing_left()
    end)
  end)
end)
