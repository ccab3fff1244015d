-- Every block of Lua in README.md and doc runs against the sandbox, on this VM. A block
-- whose name no example here has fails.

local child = require "spec.support.child"
local grid = require "grid"
local json = require "spec.sandbox.json"
local keeper_examples = require "spec.readme.keeper_examples"
local nginx = require "spec.support.nginx"
local pages = require "spec.support.pages"
local sandbox = require "spec.support.sandbox"

local vm = rawget(_G, "jit") and "luajit" or "lua5.4"

local BLOCKS = {}
for _, page in ipairs(pages.documents()) do
  for _, block in ipairs(page.blocks) do
    block.page = page.path
    if block.language == "lua" then BLOCKS[#BLOCKS + 1] = block end
  end
end

-- What the README says an example uses; a block that requires grid itself is a whole
-- program, which gets none of this.
local PRELUDE = [[
local grid = require "grid" local client = grid.new() local keys = grid.keypair()
local saved = io.open("kms_payload.json", "rb"):read "*a"
local request = { encryption_public_key = keys.public_key, kms_payload = saved }
]]

-- By name: `prelude` comes before the block, `before(server, folder)` prepares the
-- sandbox, `after(out, server, folder, saved, err)` checks the result; `empty`: there is
-- no session yet; `run(block, server, saved, folder)` stands for all of that.
local EXAMPLES = {}

local function privy_of(text)
  return json.decode(text).session.Privy
end

EXAMPLES["quick start"] = {
  before = function(server) server:set { tier = "2" } end,
  after = function(out, server, folder, saved)
    assert.matches("^refreshed by request %x+%-", out:gsub("\t", " "), nil)
    assert.equal(1, server:executions("refresh_token", privy_of(saved).refresh_token))
    assert.not_equal(privy_of(saved).refresh_token, privy_of(folder:read "kms_payload.json").refresh_token)
    assert.equal("kms_payload.json\nprivate.key\nsnippet.lua", folder:list())
  end,
}

EXAMPLES["log in"] = {
  empty = true,
  prelude = [[
    function io.read()
      local pipe = io.popen("curl -s '$http/_control/otp?email=ann@example.com'")
      return pipe:read("*a"):match '"otp_code":"(%d+)"', pipe:close()
    end
    local new = require("grid").new
    require("grid").new = function(given) assert(given.environment == "production") return new() end
  ]],
  after = function(out, _, folder)
    assert.matches("account%s+%w+\n", out)
    assert.equal("string", type(privy_of(folder:read "kms_payload.json").refresh_token))
    local _, modes = folder:run "stat -c %a kms_payload.json private.key"
    assert.equal("600\n600\n", modes)
  end,
}

EXAMPLES.result = {
  prelude = [[ local stored local function save(text) stored = text end ]],
  postlude = " print(stored == res.kms_payload_json, ('%d'):format(res.expires_at))",
  after = function(out)
    local shown, seconds = out:match "^the new key expires at\t([^\n]+)\ntrue\t(%d+)\n$"
    assert.equal(os.date("!%Y-%m-%d %H:%M:%S UTC", tonumber(seconds)), shown)
  end,
}

EXAMPLES.cookies = {
  prelude = [[ local pipe = io.popen("curl -s '$http/_control/sessions' -d '{}'")
    local cookie = "grid_session=" .. pipe:read("*a"):match '"refresh_token":"(.-)"' pipe:close() ]],
  after = function(out, server)
    assert.matches("Set%-Cookie: %S+=", out)
    assert.equal("cookie", server:last().payload)
  end,
}

EXAMPLES.errors = {
  before = function(server) server:fault { kind = "status", status = 401 } end,
  after = function(out) assert.matches("^log in again: grid: auth error, status 401", out) end,
}

local function unknown_outcome(fault)
  return {
    before = function(server)
      server:set { mode = "idempotent", tier = "2" }
      server:fault(fault)
    end,
    after = function(out, server, _, saved)
      assert.matches("^grid.result: status 200", out)
      assert.equal(2, server:stats().requests)
      assert.equal(1, server:executions("refresh_token", privy_of(saved).refresh_token))
    end,
  }
end

EXAMPLES["unknown outcome"] = unknown_outcome { kind = "drop", execute = true }

EXAMPLES.keys = {
  prelude = [[ local payload = "eyJiIjoxLCJhIjpudWxsfQ==" ]],
  postlude = " print(signature)",
  after = function(out) assert.matches("^signs as\t[^\n]+p256:%x+%)\nME[QUY][CD][%w+/]+=*\n$", out) end,
}

EXAMPLES["many sessions"] = {
  prelude = [[ local requests = {}
    for i = 1, 3 do requests[i] = { encryption_public_key = keys.public_key, kms_payload = saved } end
    requests[3].kms_payload = "[]"
    local function save(i, text) print("saved", i, #text) end ]],
  after = function(out, server)
    assert.matches("1\t3\n.*2\t3\n.*3\t3\n", out)
    assert.matches("saved\t1\t%d+\nsaved\t2\t%d+\n3\tgrid: request error %(bad_payload%)", out)
    assert.equal(2, server:stats().requests)
  end,
}

EXAMPLES.events = {
  postlude = " client:refresh_session(request)",
  after = function(_, _, _, _, err)
    assert.matches("^request /auth/refresh%-session: %d+\nresponse /auth/refresh%-session: 200\n$", err)
  end,
}

EXAMPLES["other endpoint"] = { after = function(out, server)
  assert.not_matches("^grid:", out)
  assert.equal("/auth", server:last().path:match "/auth$")
end }

EXAMPLES.proxy = { postlude = " print(client)", after = function(out)
  assert.matches("^grid.client: ", out)
end }

EXAMPLES.signature = {
  prelude = [[ local address = io.open("address"):read "*a" keys = grid.keypair(io.open("private.key"):read "*a") ]],
  before = function(server, folder)
    local key = assert(grid.keypair((select(2, folder:run "cat private.key"))))
    local session = server:sessions { encryption_public_key = key.public_key }[1]
    folder:write("kms_payload.json", session.kms_payload_json)
    folder:write("address", session.address)
  end,
  after = function(out, server)
    assert.matches("^%w+\n$", out)
    assert.equal("fine", server:last().signature)
  end,
}

local function refreshed_three(out, server)
  local lines = {}
  for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
  assert.equal(3, #lines)
  for _, line in ipairs(lines) do assert.matches("^%d\tgrid.result: status 200", line) end
  assert.equal(3, server:stats().requests)
end

EXAMPLES.luv = { after = refreshed_three }
EXAMPLES.cqueues = { after = refreshed_three }

EXAMPLES.host = {
  prelude = [[ local scheduler = { now = require("grid.core").now, naps = 0 }
    function scheduler.sleep(seconds) scheduler.naps = scheduler.naps + 1 os.execute("sleep " .. seconds) end ]],
  postlude = [[ assert(client:refresh_session { encryption_public_key = keys.public_key, kms_payload = saved })
    print(scheduler.naps > 0) ]],
  after = function(out) assert.equal("true\n", out) end,
}

-- The whole block is what access_by_lua_block holds; client, keys, saved and save come
-- from init_by_lua.
EXAMPLES.nginx = {
  run = function(block, server, saved)
    local web = nginx.start {
      env = { GRID_BASE_URL = server.http, GRID_API_KEY = server.api_key, GRID_ENVIRONMENT = "sandbox" },
      http = ("init_by_lua_block { grid = require 'grid' client = grid.new() keys = grid.keypair() stored = 0 saved = [==[%s]==]\n"
        .. "function save(text) stored = #text end }"):format(saved),
      locations = ("location = /snippet { access_by_lua_block { %s }\n"
        .. "content_by_lua_block { ngx.print(stored) } }"):format(block.text),
    }
    local stored = web:get "/snippet"
    server:fault { kind = "status", status = 401 }
    local _, status = web:get "/snippet"
    local log = web:log()
    web:stop()
    assert.is_true(tonumber(stored) > 1000, stored)
    assert.equal(401, status)
    assert.matches("grid: auth error, status 401", log)
  end,
}

-- A service that is not Grid takes the place of the one that the block names.
EXAMPLES.http = {
  run = function(block, _, _, folder)
    local service = nginx.start {
      locations = [[location = /oauth/token { content_by_lua_block {
        ngx.req.read_body()
        local headers = ngx.req.get_headers()
        ngx.status = 400
        ngx.print(headers.content_type, " ", ngx.req.get_body_data(), " ", tostring(headers["x-grid-environment"]))
      } }]],
    }
    local text, replaced = block.text:gsub("https://auth%.example%.com", service.http)
    folder:write("snippet.lua", PRELUDE .. text)
    local code, out, err = folder:run("exec env " .. child.vm .. " snippet.lua", {})
    service:stop()
    assert.equal(1, replaced)
    assert.equal(0, code, err)
    assert.equal("400\tapplication/x-www-form-urlencoded grant_type=refresh_token&refresh_token=abc nil\n", out)
  end,
}

for name, example in pairs(keeper_examples.lua) do EXAMPLES[name] = example end

describe("the documentation #slow", function()
  local server, folder

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)

  before_each(function()
    server:reset()
    folder = child.folder()
  end)
  after_each(function() folder:remove() end)

  local function program(block, example)
    local whole = block.text:find 'require "grid"' ~= nil
    local before = (whole and "" or PRELUDE) .. (example.prelude or "")
    before = before:gsub("%$http", server.http):gsub("\n", " ")
    return before .. block.text .. (example.postlude or "")
  end

  local function run_lua(block, given)
    local example = given or block.name and assert(EXAMPLES[block.name], "no example is named " .. block.name) or {}
    local saved = server:sessions()[1].kms_payload_json
    if not example.empty then
      folder:write("kms_payload.json", saved)
      folder:write("private.key", select(2, folder:run "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"))
    end
    folder:write("snippet.lua", program(block, example))
    if example.run then return example.run(block, server, saved, folder) end
    if example.before then example.before(server, folder) end
    local code, out, err = folder:run("exec env " .. child.vm .. " snippet.lua", {
      GRID_BASE_URL = server.http, GRID_API_KEY = server.api_key, GRID_ENVIRONMENT = "sandbox",
    })
    assert.equal(0, code, err)
    if example.after then return example.after(out, server, folder, saved, err) end
    assert.equal("", err)
    assert.equal(200, server:last().status)
  end

  for _, block in ipairs(BLOCKS) do
    it(("runs on %s: %s, line %d"):format(vm, block.page, block.line), function() run_lua(block) end)
  end

  local function run_named(name, example)
    for _, block in ipairs(BLOCKS) do
      if block.name == name then return run_lua(block, example) end
    end
  end

  it("loses no refresh token that an answer leaves out: from the log-in to the refresh that spends it", function()
    local function stored() return privy_of(folder:read "kms_payload.json") end
    run_named "log in"
    local first = stored()
    server:set { tier = "1" }
    server:fault { kind = "no_refresh_token", execute = true }
    run_named("quick start", { empty = true })
    assert.equal(first.refresh_token, stored().refresh_token)
    assert.not_equal(first.session.expires_at, stored().session.expires_at)
    server:set { tier = "2" }
    run_named("quick start", { empty = true })
    assert.equal(2, server:executions("refresh_token", first.refresh_token)) -- kept, then spent
    assert.equal("string", type(stored().refresh_token))
    assert.not_equal(first.refresh_token, stored().refresh_token)
    run_named("quick start", { empty = true })
    assert.equal(0, server:stats().reuses)
  end)

  it("repeats the same request after every kind of unknown outcome, and after no other", function()
    for _, fault in ipairs {
      { kind = "truncate" }, { kind = "status", status = 502 }, { kind = "html" }, { kind = "missing_payload" },
    } do
      server:reset()
      fault.execute = true
      run_named("unknown outcome", unknown_outcome(fault))
    end
    server:reset()
    run_named("unknown outcome", {
      before = function() server:fault { kind = "status", status = 401, execute = true } end,
      after = function(out)
        assert.matches("^grid: auth error, status 401", out)
        assert.equal(1, server:stats().requests)
      end,
    })
  end)

  it("shows an error whose Retry-After is beyond all numbers", function()
    local raw = "HTTP/1.1 429 Slow\r\nConnection: close\r\nRetry-After: 9223372036854775807\r\nContent-Length: 0\r\n\r\n"
    run_named("errors", {
      before = function() server:fault { kind = "raw", raw = raw } end,
      after = function(out) assert.matches("^try again in 31536000 s: grid: rate_limit error, status 429", out) end,
    })
  end)

  -- The functions of lua/grid that run, in turn: their file, and where they are defined.
  local function calls_of(f)
    local calls = {}
    local function note()
      local info = debug.getinfo(2, "Sn")
      local path = info.source:match "lua/grid/(%S+%.lua)$"
      if path then calls[#calls + 1] = { path = path, name = info.name, line = info.linedefined } end
    end
    if rawget(_G, "jit") then require("jit").off() end -- compiled code calls no hook
    debug.sethook(note, "c")
    f()
    debug.sethook()
    if rawget(_G, "jit") then require("jit").on() end
    return calls
  end

  -- The line that begins a function's definition.
  local function definition_of(one)
    local number = 0
    for line in pages.read("lua/grid/" .. one.path):gmatch "([^\n]*)\n" do
      number = number + 1
      if number == one.line then return line end
    end
  end

  it("draws the call tree of a refresh as it is", function()
    local expected = {}
    for line in pages.read("doc/design.md"):match("```text\n(client:refresh_session.-)```"):gmatch "[^\n]+" do
      local name, path = line:match "^%s*%S-([%l_]+)%s+(%l+/%l+%.lua)"
      expected[#expected + 1] = name and { path = path, name = name }
      for file in line:gmatch "%l+/%l+%.c" do pages.read("src/" .. file) end
    end
    assert.is_true(#expected >= 8)
    local client = grid.new { base_url = server.http, api_key = server.api_key, environment = "sandbox" }
    local keys = grid.keypair()
    local request = { encryption_public_key = keys.public_key, kms_payload = server:sessions()[1].kms_payload_json }
    local calls = calls_of(function() assert(client:refresh_session(request)) end)
    client:close()
    local at = 1
    for _, step in ipairs(expected) do
      local function is_it(one)
        return one.path == step.path and (one.name == step.name or definition_of(one):find("[.:]" .. step.name .. "%("))
      end
      while calls[at] and not is_it(calls[at]) do at = at + 1 end
      assert.is_truthy(calls[at], step.path .. ": " .. step.name)
    end
  end)

  it("uses every example that is prepared here", function()
    local used = {}
    for _, block in ipairs(BLOCKS) do used[block.name or ""] = true end
    for name in pairs(EXAMPLES) do assert.is_true(used[name], name) end
  end)

  it("starts with at most 15 lines of Lua", function()
    local first = BLOCKS[1]
    local _, lines = first.text:gsub("[^\n]+", "")
    assert.equal("README.md", first.page)
    assert.is_true(lines <= 15)
  end)
end)
