-- Compares the LuaCATS annotations with the code: each public name is annotated, and each
-- annotated name exists.

local core = require "grid.core"
local grid = require "grid"
local keepers = require "grid.keeper"
local options = require "grid.api.options"
local schema = require "grid.schema"
local transport = require "grid.http.options"
local files = require "spec.support.files"
local rig = require "spec.support.rig"
local sandbox = require "spec.support.sandbox"

local unpack = table.unpack or unpack

local sorted = schema.sorted_names

local function lines_of(path)
  return files.load(path):gmatch "([^\n]*)\n"
end

-- The fields of an annotated class: name -> its type and the words on it.
local function fields_of(path, class)
  local fields, inside, found = {}, false, false
  for line in lines_of(path) do
    local begins = line:match "^%-%-%-@class ([^:]+)"
    if begins then
      inside = begins:gsub("^%(exact%) ", ""):match "^%S+" == class
      found = found or inside
    elseif not line:find "^%-%-%-" then inside = false end
    local name, rest = line:match "^%-%-%-@field ([%w_]+)%??%s+(.+)$"
    if inside and name then fields[name] = rest end
  end
  assert(found, "no annotated class " .. class)
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
    assert.is_truthy(definition.comment:find("---@param " .. parameter, 1, true), name .. " has no ---@param " .. parameter)
  end
end

-- A method is described, and so are its parameters and what it returns.
local function assert_method(name, definition)
  assert(definition, "no definition of " .. name)
  assert.is_truthy(definition.comment:find "^%-%-%- %S", name .. " is not described")
  if definition.comment:find("---@type fun(self: grid.Client", 1, true) then return end
  assert_parameters(name, definition)
  assert.is_true(name == "close" or definition.comment:find("---@return", 1, true) ~= nil, name)
end

-- Where the annotations of a class stand: the file, and the local that its methods are
-- defined on.
local PLACES = {
  ["grid"] = { "lua/grid/init.lua" },
  ["grid.Client"] = { "lua/grid/api/client.lua", "Client" },
  ["grid.HttpOptions"] = { "lua/grid/http/options.lua" },
  ["grid.HttpCallOptions"] = { "lua/grid/http/options.lua" },
  ["grid.Http"] = { "lua/grid/http/init.lua", "Http" },
  ["grid.HttpRequest"] = { "lua/grid/http/request.lua" },
  ["grid.HttpAnswer"] = { "lua/grid/http/init.lua" },
  ["grid.Options"] = { "lua/grid/api/options.lua", nil, "grid.HttpOptions" },
  ["grid.CallOptions"] = { "lua/grid/api/options.lua", nil, "grid.HttpCallOptions" },
  ["grid.ManyOptions"] = { "lua/grid/api/options.lua" },
  ["grid.Result"] = { "lua/grid/api/response.lua" },
  ["grid.Error"] = { "lua/grid/errors.lua" },
  ["grid.Key"] = { "lua/grid/keys.lua", "Key" },
  ["grid.KeyPair"] = { "lua/grid/keys.lua", "KeyPair", "grid.Key" },
  ["grid.AuthorizationKey"] = { "lua/grid/keys.lua", "AuthorizationKey", "grid.Key" },
  ["grid.Host"] = { "lua/grid/host/init.lua" },
  ["grid.Keeper"] = { "lua/grid/keeper/init.lua", "Keeper" },
  ["grid.KeeperOptions"] = { "lua/grid/keeper/init.lua" },
  ["grid.KeeperStatus"] = { "lua/grid/keeper/status.lua" },
  ["grid.KeeperEvent"] = { "lua/grid/keeper/events.lua" },
  ["grid.Session"] = { "lua/grid/keeper/session.lua", "methods" },
}

-- Every annotated name of a class: its comment for a field, its definition for a method.
local function names_of(class)
  local path, owner, parent = unpack(PLACES[class], 1, 3)
  local names = parent and names_of(parent) or {}
  for name, comment in pairs(fields_of(path, class)) do names[name] = comment end
  for name, definition in pairs(owner and definitions_of(path, owner) or {}) do
    if not name:find "^__" then names[name] = definition end
  end
  return names
end

-- What users were promised, whatever becomes of the code.
local PROMISED = {
  ["grid"] = "refresh_session new is_error keypair authorization_key canonicalize null",
  ["grid.Client"] = "refresh_session refresh_sessions init_auth complete_auth get_account update_account submit sign "
    .. "sign_and_submit request close",
  ["grid.Options"] = "api_key environment base_url timeout connect_timeout retries ca_file proxy user_agent "
    .. "max_response_bytes http_version insecure_skip_tls_verify on_event host",
  ["grid.CallOptions"] = "idempotency_key cookie timeout retries headers",
  ["grid.Http"] = "send close",
  ["grid.HttpRequest"] = "method url headers body idempotent",
  ["grid.HttpAnswer"] = "status headers body",
  ["grid.ManyOptions"] = "concurrency on_progress timeout retries headers",
  ["grid.Result"] = "data metadata kms_payload_json status request_id idempotency_key attempts cookies headers",
  ["grid.Error"] = "kind code message status request_id details headers sent retryable retry_after attempts "
    .. "idempotency_key cause body",
  ["grid.KeyPair"] = "public_key export open close",
  ["grid.AuthorizationKey"] = "public_key sign export close",
  ["grid.Host"] = "name now sleep",
  ["grid.Keeper"] = "add get refresh invalidate remove status list refresh_due start stop run metrics close",
  ["grid.KeeperOptions"] = "exchange store seal_keys timeout recheck spool on_event host",
  ["grid.KeeperStatus"] = "state generation expires_at refresh_at refreshing suspended backoff_until failures last_error "
    .. "durability",
  ["grid.KeeperEvent"] = "name id generation seconds kind code",
  ["grid.Session"] = "id generation expires_at obtained_at access_token token_type scope id_token data kms_payload_json "
    .. "dpop_proof authorization_key",
}

describe("the annotations", function()
  for class, promised in pairs(PROMISED) do
    it("name all that is promised of " .. class, function()
      local names = names_of(class)
      for name in promised:gmatch "%S+" do assert.is_truthy(names[name], name) end
    end)
  end

  it("name everything in the module grid, and no more", function()
    assert.same(sorted(grid), sorted(fields_of("lua/grid/init.lua", "grid")))
  end)

  it("name every method of a client, its parameters and what it returns", function()
    local internal = { engine = true }
    local definitions = definitions_of("lua/grid/api/client.lua", "Client")
    for name in pairs(getmetatable(grid.new())) do
      if not name:find "^__" and not internal[name] then assert_method(name, definitions[name]) end
    end
  end)

  it("name every option of a keeper, and what its methods take and return", function()
    assert.same(sorted(keepers.options), sorted(names_of "grid.KeeperOptions"))
    local definitions = definitions_of("lua/grid/keeper/init.lua", "Keeper")
    for _, internal in ipairs { "env", "new_http", "on_landed", "__tostring", "__index", "__close" } do
      definitions[internal] = nil
    end
    for name in PROMISED["grid.Keeper"]:gmatch "%S+" do
      if name ~= "stop" then assert_method(name, definitions[name]) end
      definitions[name] = nil
    end
    assert.same({}, sorted(definitions))
    for name, definition in pairs(definitions_of("lua/grid/keeper/session.lua", "methods")) do assert_method(name, definition) end
  end)

  it("name every field and method of keys, and no more", function()
    local pair = grid.keypair()
    local keys = { ["grid.KeyPair"] = pair, ["grid.AuthorizationKey"] = grid.authorization_key(pair:export()) }
    local internal, only_sometimes = { key = true, closed = true }, { signers = true }
    for class, key in pairs(keys) do
      local there = {}
      for _, holder in ipairs { key, getmetatable(key) } do
        for name in pairs(holder) do there[name] = not name:find "^__" and not internal[name] or nil end
      end
      local names = names_of(class)
      for name in pairs(only_sometimes) do there[name] = names[name] and true end
      assert.same(sorted(there), sorted(names))
      for name, definition in pairs(names) do
        if type(definition) == "table" then assert_method(name, definition) end
      end
    end
  end)

  it("name all that hosts have", function()
    local fields = fields_of("lua/grid/host/init.lua", "grid.Host")
    for _, name in ipairs { "blocking", "cqueues", "luv", "nginx" } do
      local text = files.load("lua/grid/host/" .. name .. ".lua") -- not loaded: luv does not survive being loaded twice
      local constructor = text:match "%-%-%-@type grid%.Host\nlocal %w+ = (%b{})"
      assert.is_truthy(constructor, name)
      for member in constructor:gmatch "([%w_]+) = " do assert.is_truthy(fields[member], name .. ": " .. member) end
      for member in text:gmatch "\nfunction %w+%.([%w_]+)" do assert.is_truthy(fields[member], name .. ": " .. member) end
    end
  end)

  it("name every option, and no more", function()
    assert.same(sorted(options.client), sorted(names_of "grid.Options"))
    assert.same(sorted(options.call), sorted(names_of "grid.CallOptions"))
    assert.same(sorted(transport.transport), sorted(names_of "grid.HttpOptions"))
    assert.same(sorted(transport.call), sorted(names_of "grid.HttpCallOptions"))
  end)

  it("say what an option is when it is not given", function()
    local fields = names_of "grid.Options"
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
      ["grid.RefreshRequest"] = { "lua/grid/api/auth.lua", function(given) client:refresh_session(given) end },
      ["grid.InitAuthRequest"] = { "lua/grid/api/login.lua", function(given) client:init_auth(given) end },
      ["grid.CompleteAuthRequest"] = { "lua/grid/api/login.lua", function(given) client:complete_auth(given) end },
      ["grid.ManyOptions"] = { "lua/grid/api/options.lua", function(given) client:refresh_sessions({}, given) end },
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
    local meta, objects = "lua/grid/meta/core.lua", "lua/grid/meta/objects.lua"
    local functions = definitions_of(meta, "core")
    assert.same(sorted(core), sorted(functions))
    for name, definition in pairs(functions) do assert_parameters(name, definition) end
    for class, metatable in pairs(debug.getregistry()) do
      local owner = type(class) == "string" and class:match "^grid%.core%.(%l+)$"
      local methods = owner and sorted(metatable.__index)
      if owner and #methods > 1 then -- the others are not for callers
        local annotated = definitions_of(objects, owner)
        assert.same(methods, sorted(annotated), class)
        for name, definition in pairs(annotated) do assert_parameters(class .. ":" .. name, definition) end
        assert.is_truthy(files.load(objects):find("---@class " .. class .. "\n", 1, true), class)
      end
    end
    assert(loadfile(meta))()
    assert(loadfile(objects))()
  end)

  describe("of what a call gives", function()
    local server

    setup(function() server = sandbox.share() end)
    teardown(function() server:stop() end)

    it("name every field of results, errors and events, and events have each of theirs", function()
      rig.mark()
      local result, problem = fields_of("lua/grid/api/response.lua", "grid.Result"), fields_of("lua/grid/errors.lua", "grid.Error")
      local annotated, heard = fields_of("lua/grid/http/event.lua", "grid.Event"), {}
      local host = rig.virtual_host()
      local client = rig.client(server, { retries = 1, host = host, on_event = function(event)
        for name in pairs(event) do heard[name] = true end
      end })
      for name in pairs(assert(client:refresh_session(rig.request(server)))) do assert.is_truthy(result[name], name) end
      server:fault { kind = "status", status = 429, retry_after = 1, count = 2 }
      local _, err = client:refresh_session(rig.request(server))
      for name in pairs(err) do assert.is_truthy(problem[name], name) end
      for _, name in ipairs { "abandoned", "result", "error" } do -- of an abandoned call, see spec/hosts_spec.lua
        assert.is_truthy(annotated[name])
        annotated[name] = nil
      end
      assert.same(sorted(annotated), sorted(heard))
      for _, name in ipairs { "body", "cookies" } do assert.is_truthy(problem[name]) end
      assert.is_truthy(result.body)
      client:close()
      rig.assert_nothing_left()
    end)
  end)
end)
