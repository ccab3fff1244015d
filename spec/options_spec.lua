-- The options of grid.new: valid values, defaults, and the errors of invalid values.

local core = require "grid.core"
local grid = require "grid"
local rig = require "spec.support.rig"

local assert_misuse = rig.assert_misuse

describe("grid.new", function()
  local variables

  -- The environment of a process cannot be changed from Lua: os.getenv is what the
  -- library reads it with.
  before_each(function()
    rig.mark()
    variables = {}
    stub(os, "getenv", function(name) return variables[name] end)
  end)

  after_each(function()
    os.getenv:revert() -- luacheck: ignore 143
    rig.assert_nothing_left()
  end)

  describe("without options", function()
    it("has the defaults that are documented", function()
      local options = grid.new().options
      assert.is_nil(options.api_key)
      assert.equal("production", options.environment)
      assert.equal("https://grid.squads.xyz", options.base_url)
      assert.equal(10, options.timeout)
      assert.equal(3, options.connect_timeout)
      assert.equal(2, options.retries)
      assert.equal(1024 * 1024, options.max_response_bytes)
      assert.equal("2", options.http_version)
      assert.is_false(options.insecure_skip_tls_verify)
    end)

    it("starts nothing: no memory of the core, no file", function()
      local client = grid.new()
      assert.equal(0, core.live())
      client:close()
    end)

    it("does not ask for an API key yet", function()
      assert.is_truthy(grid.new {})
    end)
  end)

  describe("reads the environment", function()
    it("when a client is made, not when the library is loaded", function()
      assert.is_nil(grid.new().options.api_key)
      variables = { GRID_API_KEY = "key-1", GRID_ENVIRONMENT = "devnet", GRID_BASE_URL = "http://127.0.0.1:81" }
      local options = grid.new().options
      assert.equal("key-1", options.api_key)
      assert.equal("devnet", options.environment)
      assert.equal("http://127.0.0.1:81", options.base_url)
      variables = {}
      assert.is_nil(grid.new().options.api_key)
    end)

    it("only for what is not given", function()
      variables = { GRID_API_KEY = "key-1", GRID_ENVIRONMENT = "nonsense", GRID_BASE_URL = "nonsense" }
      local options = grid.new({ api_key = "key-2", environment = "sandbox", base_url = "http://127.0.0.1:82" }).options
      assert.equal("key-2", options.api_key)
      assert.equal("sandbox", options.environment)
      assert.equal("http://127.0.0.1:82", options.base_url)
    end)

    it("and takes an empty variable for none", function()
      variables = { GRID_API_KEY = "", GRID_ENVIRONMENT = "", GRID_BASE_URL = "" }
      local options = grid.new().options
      assert.is_nil(options.api_key)
      assert.equal("production", options.environment)
      assert.equal("https://grid.squads.xyz", options.base_url)
    end)

    it("without the blanks, line ends and byte order mark that come along when it is set from a file", function()
      variables = {
        GRID_API_KEY = "\239\187\191 key-1\r\n", GRID_ENVIRONMENT = "devnet\r", GRID_BASE_URL = " http://127.0.0.1:81\n",
      }
      local options = grid.new().options
      assert.same({ "key-1", "devnet", "http://127.0.0.1:81" }, { options.api_key, options.environment, options.base_url })
      variables = { GRID_API_KEY = " \239\187\191\r\n", GRID_ENVIRONMENT = "\r", GRID_BASE_URL = " " }
      options = grid.new().options
      assert.is_nil(options.api_key)
      assert.same({ "production", "https://grid.squads.xyz" }, { options.environment, options.base_url })
      assert.equal(" given ", grid.new({ api_key = " given " }).options.api_key)
    end)

    it("and names the variable whose value cannot be used", function()
      variables = { GRID_ENVIRONMENT = "staging" }
      assert_misuse(function() grid.new() end, "$GRID_ENVIRONMENT", "sandbox, production, devnet, mainnet")
      variables = { GRID_BASE_URL = "http://example.com" }
      assert_misuse(function() grid.new() end, "$GRID_BASE_URL", "https")
    end)
  end)

  it("reads the real environment of its process", function()
    os.getenv:revert() -- luacheck: ignore 143
    local output, fine = rig.run([[
      local options = require("grid").new().options
      print(options.api_key, options.environment, options.base_url)]],
      { GRID_API_KEY = "from-env", GRID_ENVIRONMENT = "mainnet", GRID_BASE_URL = "https://localhost:444" })
    assert.equal("from-env\tmainnet\thttps://localhost:444\n", output)
    assert.is_true(fine)
    stub(os, "getenv", function() end)
  end)

  it("raises without a line where the stack has no function of a program", function()
    for name, action in pairs { ["grid.new"] = grid.new, ["grid.keypair"] = grid.keypair } do
      local ok, message = coroutine.resume(coroutine.create(action), 7)
      assert.is_false(ok)
      assert.equal(1, message:find("grid: " .. name .. ": ", 1, true), message)
    end
    local _, message = coroutine.resume(coroutine.create(function() return grid.new { timout = 1 } end)) -- a tail call
    assert.equal("grid: grid.new: unknown field 'timout', did you mean 'timeout'?", message)
  end)

  describe("raises, at the line of its caller, for", function()
    it("something that is no table", function()
      assert_misuse(function() grid.new "api key" end, "grid.new", "must be a table, got string")
      assert_misuse(function() grid.new(7) end, "got number")
    end)

    it("a name it does not know, and says which one may have been meant", function()
      assert_misuse(function() grid.new { timout = 1 } end, "unknown field 'timout'", "did you mean 'timeout'?")
      assert_misuse(function() grid.new { apikey = "x" } end, "did you mean 'api_key'?")
      assert_misuse(function() grid.new { retires = 1 } end, "did you mean 'retries'?")
      assert_misuse(function() grid.new { Timeout = 1 } end, "did you mean 'timeout'?")
      assert_misuse(function() grid.new { API_KEY = "x" } end, "did you mean 'api_key'?")
      assert_misuse(function() grid.new { baseURL = "x" } end, "did you mean 'base_url'?")
      assert_misuse(function() grid.new { maxResponseBytes = 1 } end, "did you mean 'max_response_bytes'?")
    end)

    it("a name that would command a terminal, as visible text", function()
      for name, shown in pairs {
        ["a\194\15531m"] = "a 31m", ["a\226\128\174b"] = "ab", ["a\255"] = "a\239\191\189", ["a\nb"] = "a?b",
      } do
        assert.truthy(rig.misuse(function() grid.new { [name] = 1 } end):find("unknown field '" .. shown .. "'", 1, true))
      end
    end)

    it("a name that is like no other, without a guess", function()
      local text = rig.misuse(function() grid.new { colour_of_the_sky = "blue" } end)
      assert.is_truthy(text:find("unknown field 'colour_of_the_sky'", 1, true))
      assert.is_nil(text:find("did you mean", 1, true))
      assert_misuse(function() grid.new { "positional" } end, "unknown field '1'")
      text = rig.misuse(function() grid.new { [("x"):rep(100000)] = 1 } end)
      assert.matches("unknown field 'xxx", text)
      assert.is_true(#text < 400)
    end)

    local wrong = {
      api_key = { 7, {}, true },
      environment = { 7, "staging", "", "Production" },
      timeout = { "10", 0, -1, 0 / 0, math.huge, -math.huge },
      connect_timeout = { "3", 0, -1, 0 / 0, math.huge },
      retries = { "2", -1, 1.5, 0 / 0, math.huge },
      ca_file = { 7, "" },
      proxy = { 7, true },
      user_agent = { 7, "" },
      max_response_bytes = { "1", 0, -1, 0 / 0, math.huge },
      http_version = { 2, 1.1, "3", "1.0", "" },
      insecure_skip_tls_verify = { 1, "true" },
      on_event = { "print", {} },
      host = { "nginx", print },
    }
    for name, values in pairs(wrong) do
      it(("%s of a wrong type or value"):format(name), function()
        for _, value in ipairs(values) do
          assert_misuse(function() grid.new { [name] = value } end, "grid.new", "'" .. name .. "' must be")
        end
      end)
    end

    it("a time that no clock of the core can count", function()
      assert_misuse(function() grid.new { timeout = 1e300 } end, "'timeout' must be")
      assert_misuse(function() grid.new { connect_timeout = 1e18 } end, "'connect_timeout' must be")
      assert_misuse(function() grid.new { max_response_bytes = 1e300 } end, "'max_response_bytes' must be")
      assert_misuse(function() grid.new { max_response_bytes = 0.5 } end, "'max_response_bytes' must be")
    end)

    it("JSON null, and calls it so", function()
      local null = require("grid.json").null
      assert_misuse(function() grid.new { ca_file = null } end, "'ca_file' must be a string, got null")
      assert_misuse(function() grid.new(null) end, "the options must be a table, got null")
      for _, name in ipairs { "keypair", "authorization_key", "canonicalize", "array" } do
        assert_misuse(function() grid[name](null) end, "is expected, got null")
      end
    end)

    it("options that are false", function()
      assert_misuse(function() grid.new(false) end, "the options must be a table, got boolean")
      assert_misuse(function() grid.refresh_session({}, false) end, "the options must be a table, got boolean")
      assert_misuse(function() grid.new():refresh_sessions({}, false) end, "the options must be a table, got boolean")
    end)

    it("a proxy whose user would be taken for its host", function()
      assert_misuse(function() grid.new { proxy = "http://user:#12@127.0.0.1:1" } end, "'proxy' must be a URL without '#'")
    end)

    it("a proxy that could smuggle a header", function()
      assert_misuse(function() grid.new { proxy = "http://127.0.0.1\r\n" } end, "'proxy' must be")
    end)

    it("its caller's mistake even through pcall", function()
      local ok, message = pcall(grid.new, { timout = 1 })
      assert.is_false(ok)
      assert.is_truthy(message:find("options_spec.lua:%d+: grid: grid.new: unknown field 'timout'"))
    end)
  end)

  describe("takes as base_url", function()
    local fine = {
      "https://grid.squads.xyz", "https://grid.squads.xyz/", "https://grid.squads.xyz:8443", "https://10.0.0.1",
      "https://grid.squads.xyz/api/grid/v1", "https://example.com/behind/a/path", "https://[2001:db8::1]:8443",
      "http://localhost", "http://localhost:8080", "http://127.0.0.1:8080", "http://127.1.2.3", "http://[::1]:8080",
      "HTTPS://Grid.Squads.xyz", "Http://LocalHost:8080", "https://[::]", "https://[::ffff:10.0.0.1]",
    }
    for _, url in ipairs(fine) do
      it(url, function() assert.is_truthy(grid.new { base_url = url }) end)
    end
  end)

  describe("refuses as base_url", function()
    local refused = {
      "", "grid.squads.xyz", "//grid.squads.xyz", "ftp://grid.squads.xyz", "file:///etc/passwd", "https://", "https:///path",
      "http://grid.squads.xyz", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://10.0.0.1",
      "http://192.168.1.1", "http://0.0.0.0", "http://[2001:db8::1]", "http://[::ffff:127.0.0.1]",
      "https://user@grid.squads.xyz", "https://user:secret@grid.squads.xyz", "http://127.0.0.1@example.com",
      "https://grid.squads.xyz?x=1", "https://grid.squads.xyz#x", "https://grid.squads.xyz/api?x=1",
      "https://grid squads.xyz", "https://grid.squads.xyz\r\nX: y", "https://grid.squads.xyz\0", " https://grid.squads.xyz",
      "https://grid.squads.xyz:", "https://grid.squads.xyz:http", "https://grid.squads.xyz:0", "https://grid.squads.xyz:65536",
      "https://grid.squads.xyz//api", "http://127.999.0.1",
      "http://127.0.0.09", "http://127.08.0.1", "http://127.0.0.256", "https://[]", "https://[]:443", "https://[1]",
      "https://[::1", "https://a[::1]", "https://[::1]x", "HTTP://grid.squads.xyz", "httpss://grid.squads.xyz",
    }
    for _, url in ipairs(refused) do
      it(("%q"):format(url):gsub("\n", "n"):gsub("%z", "0"), function()
        local text = rig.misuse(function() grid.new { base_url = url } end)
        assert.is_truthy(text:find("'base_url' must be", 1, true))
        assert.is_nil(text:find("secret", 1, true))
      end)
    end
  end)

  it("puts /api/grid/v1 behind a base_url, unless it ends with it", function()
    assert.equal("https://localhost/api/grid/v1", grid.new({ base_url = "https://localhost" }).endpoint)
    assert.equal("https://localhost/api/grid/v1", grid.new({ base_url = "https://localhost/" }).endpoint)
    assert.equal("https://localhost/api/grid/v1", grid.new({ base_url = "https://localhost/api/grid/v1/" }).endpoint)
    assert.equal("https://localhost/x/api/grid/v1", grid.new({ base_url = "https://localhost/x" }).endpoint)
    assert.equal("https://LocalHost/X/api/grid/v1", grid.new({ base_url = "HTTPS://LocalHost/X" }).endpoint)
  end)

  it("neither keeps nor changes the table it is given", function()
    local given = { api_key = "key-1", timeout = 5 }
    local client = grid.new(given)
    given.api_key, given.timeout, given.nonsense = "key-2", 6, true
    assert.equal("key-1", client.options.api_key)
    assert.equal(5, client.options.timeout)
    grid.new(setmetatable({}, { __newindex = function() error "written to" end }))
  end)

  it("takes options that a table has by its metatable, and checks them", function()
    local function inherited(of) return setmetatable({}, { __index = of }) end
    assert.equal(7, grid.new(inherited { timeout = 7 }).options.timeout)
    assert_misuse(function() grid.new(inherited { timeout = "7" }) end, "'timeout' must be")
    assert_misuse(function() grid.new(inherited { base_url = "http://example.com" }) end, "'base_url' must be")
    local _, err = grid.refresh_session({ encryption_public_key = rig.KEY }, inherited { api_key = "k", idempotency_key = "a b" })
    assert.equal("bad_idempotency_key", err.code)
  end)

  it("prints neither key nor proxy when a client is printed", function()
    local client = grid.new { api_key = "canary-1", proxy = "http://canary:canary@127.0.0.1:1" }
    assert.is_nil(tostring(client):find("canary", 1, true))
    assert.is_truthy(tostring(client):find("grid.client", 1, true))
  end)

  it("names a check that grid.schema does not have, where a module is loaded", function()
    local ok, problem = pcall(function() return require("grid.schema").plane end)
    assert.is_false(ok)
    assert.is_truthy(problem:find("grid.schema has no plane", 1, true))
  end)
end)
