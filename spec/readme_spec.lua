-- The README is true: every block of Lua runs against the sandbox on this VM, every
-- command of a block of shell runs or is checked in the way named here, and the tables
-- name what the code has. A block that nothing here knows fails.

local child = require "spec.support.child"
local grid = require "grid"
local harness = require "spec.command.harness"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local options = require "grid.api.options"
local pages = require "spec.support.pages"
local sandbox = require "spec.support.sandbox"

local vm = rawget(_G, "jit") and "luajit" or "lua5.4"

local read = pages.read

local README = read "README.md"
local BLOCKS = pages.blocks(README)

-- ---- Lua ------------------------------------------------------------------------------

-- What the README says a block may count on; a block that requires grid itself is a whole
-- program and gets nothing.
local PRELUDE = [[
local grid = require "grid" local client = grid.new() local keys = grid.keypair()
local saved = io.open("kms_payload.json", "rb"):read "*a"
]]

-- By name: `prelude` comes before the block, `before(server)` prepares the sandbox,
-- `after(out, server, folder)` looks at what came of it; `empty` says that there is no
-- session yet. Blocks without a name have to run and print no error.
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
    assert.matches("\r3 of 3\n", out)
    assert.matches("saved\t1\t%d+\nsaved\t2\t%d+\n3\tgrid: request error %(bad_payload%)", out)
    assert.equal(2, server:stats().requests)
  end,
}

EXAMPLES.events = {
  postlude = " client:refresh_session { encryption_public_key = keys.public_key, kms_payload = saved }",
  after = function(_, _, _, _, err) assert.matches("^POST /auth/refresh%-session: 200 in 0%.%d%d%d s, try 1\n$", err) end,
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

-- ---- Shell ----------------------------------------------------------------------------

local function is_installed_by_setup(folder, command)
  local setup = read "spec/support/setup"
  for package in command:match("apt%-get install (.*)"):gmatch "%S+" do
    assert.is_truthy((" " .. setup:gsub("[|'\n]", " ")):find(" " .. package .. " ", 1, true), package)
  end
  assert.equal("", folder:list())
end

-- Root and LuaRocks' own tree stay out of it: `make rock-test` runs the same command with
-- a tree of its own.
local function is_what_rock_test_does(_, command)
  assert.matches("luarocks make --deps-mode=none --lua-version", read "spec/support/rock-test", 1, true)
  assert.matches("luarocks make %-%-deps%-mode=none %-%-lua%-version 5%.[14]$", command)
end

-- With what it needs in the folder: a session file, a folder of them, a prepared
-- transaction, a code on standard input.
local function works_on_a_sandbox(_, command)
  local run = harness.start()
  local address = run:write_session("ann.json").address
  run.folder:run "mkdir sessions"
  run:write_session "sessions/bob.json"
  local login = command:find "^grid login"
  local code, _, err = run:shell(([[
    curl -s -X PATCH $GRID_BASE_URL/api/grid/v1/accounts/%s -H "Authorization: Bearer $GRID_API_KEY" \
      -H 'Content-Type: application/json' -H 'x-grid-environment: sandbox' -d '{"threshold":1}' >prepared.json
    %s]]):format(address, login and [[rm ann.json; mkfifo code; ]] .. command .. [[ <code & exec 3>code
    until otp=$(curl -sf "$CONTROL/otp?email=ann@example.com"); do sleep 0.05; done
    echo "$otp" | sed 's/.*"otp_code":"\([0-9]*\)".*/\1/' >&3; exec 3>&-; wait $!]] or command), {
    GRID_BASE_URL = run.server.http, NEW_SIGNER = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi",
  })
  run:stop()
  assert.same({ 0, "" }, { code, err })
end

-- By how a command begins, without what comes after a '#'.
local COMMANDS = {
  ["sudo apt-get install "] = is_installed_by_setup,
  ["sudo luarocks make "] = is_what_rock_test_does,
  ["sudo make install "] = pages.can_be_made,
  ["grid "] = works_on_a_sandbox,
  ["spec/sandbox/run"] = pages.starts_a_sandbox,
}

local function coverage_of(command)
  for prefix, check in pairs(COMMANDS) do
    if command:sub(1, #prefix) == prefix then return check end
  end
end

-- ---- The specs ------------------------------------------------------------------------

describe("the README #slow", function()
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
    local example = given or block.name and assert(EXAMPLES[block.name], "nothing is known of the block " .. block.name) or {}
    local saved = server:sessions()[1].kms_payload_json
    if not example.empty then
      folder:write("kms_payload.json", saved)
      folder:write("private.key", select(2, folder:run "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"))
    end
    folder:write("snippet.lua", program(block, example))
    if example.run then return example.run(block, server, saved) end
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
    if block.language == "lua" then
      it(("runs on %s: the block at line %d"):format(vm, block.line), function() run_lua(block) end)
    end
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

  for _, command in ipairs(pages.commands(BLOCKS)) do
    it("tells a command that works: " .. command, function()
      local check = coverage_of(command)
      assert.is_truthy(check, "nothing here knows the command")
      check(folder, command)
    end)
  end

  it("has no block in another language", function()
    for _, block in ipairs(BLOCKS) do
      assert.is_true(block.language == "lua" or block.language == "sh", "line " .. block.line)
    end
  end)

  it("uses every example that is prepared here", function()
    for name in pairs(EXAMPLES) do
      assert.is_truthy(README:find("<!-- test: " .. name .. " -->", 1, true), name)
    end
  end)

  it("starts with at most 15 lines of Lua", function()
    local _, lines = BLOCKS[4].text:gsub("[^\n]+", "")
    assert.equal("quick start", BLOCKS[4].name)
    assert.is_true(lines <= 15)
  end)

  it("names every option, with its default", function()
    for name, option in pairs(options.both) do
      local row = README:match("\n(| `" .. name .. "` |[^\n]*)")
      assert.is_truthy(row, name)
      if option.default ~= nil then
        local default = (type(option.default) == "string" and '`"%s"`' or "`%s`"):format(tostring(option.default))
        assert.is_truthy(row:find(default, 1, true), name)
      end
    end
  end)

  it("names only make targets, files and headings that exist", function()
    for target in README:gmatch "`make ([%l-]+)" do pages.can_be_made(folder, "make " .. target) end
    pages.check_links(README, "")
  end)
end)
