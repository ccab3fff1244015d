-- The commands on one session: keygen, login, inspect, refresh, sign. Each step is a
-- process.

local grid = require "grid"
local harness = require "spec.command.harness"

describe("the command", function()
  local run

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function() run:clear() end)

  local function login(more) return run:login("s.json", more) end

  local function assert_silent(...)
    local said = table.concat({ ... }, "\n")
    for _, secret in ipairs(harness.secrets(run:json "s.json")) do
      assert.is_nil(said:find(secret, 1, true), "a secret was printed")
    end
  end

  it("helps everywhere, and tells the exit codes", function()
    local code, out, err = run:grid "--help"
    assert.same({ 0, "" }, { code, err })
    for name in out:gmatch "\n  ([%l-]+) +%l" do
      local one, text = run:grid(name .. " --help")
      assert.equal(0, one, name)
      assert.matches("^usage: grid " .. name:gsub("%-", "%%-"), text)
      assert.matches("exit codes:", text)
      for line in text:gmatch "[^\n]+" do assert.is_true(line:find "^  " ~= nil or #line <= 96, line) end
      assert.equal(text, select(2, run:grid("help " .. name)))
    end
    assert.equal(grid._VERSION .. "\n", select(2, run:grid "--version"))
    for words, same in pairs { ["keep help"] = "keep --help", ["keep help get"] = "keep get --help" } do
      assert.same({ run:grid(same) }, { run:grid(words) }, words)
    end
  end)

  it("refuses what it does not know with 2, and names what was meant", function()
    local code, out, err = run:grid "refrehs x.json"
    assert.same({ 2, "", "grid: there is no command 'refrehs', did you mean 'refresh'?\n" }, { code, out, err })
    assert.equal("grid: there is no command 'frobnicate'; `grid --help` lists the commands\n", select(3, run:grid "frobnicate"))
    for _, words in ipairs { "help refrehs", "--help refrehs" } do
      assert.same({ 2, "", err }, { run:grid(words) })
    end
    for _, words in ipairs { "refresh x.json --api-key=hush", "--api-key=hush refresh x.json" } do
      code, out, err = run:grid(words)
      assert.equal(2, code)
      assert.is_nil((out .. err):find("hush", 1, true))
    end
    assert.equal("grid: options follow the name of a command: grid COMMAND --api-key\n", err)
    code, out, err = run:grid("refresh x.json --environment moon")
    assert.same({ 2, "", "grid: 'environment' must be one of sandbox, production, devnet, mainnet\n" }, { code, out, err })
    code, out, err = run:grid("refresh x.json", { GRID_API_KEY = "" })
    assert.same({ 2, "", "grid: no API key: use --api-key-file, or set GRID_API_KEY\n" }, { code, out, err })
    assert.equal(2, (run:grid ""))
  end)

  it("tells scripts of wrong words too", function()
    for words, message in pairs {
      ["refresh --json"] = "refresh: FILE is missing", ["--json"] = "options follow the name of a command: grid COMMAND --json",
      ["refresh x.json --emial --json"] = "refresh: there is no option '--emial'; `grid refresh --help` lists the options",
    } do
      local code, out, err = run:grid(words)
      assert.same({ 2, message }, { code, harness.objects(out)[1].error.message })
      assert.equal("grid: " .. message .. "\n", err)
    end
  end)

  it("says so, and ends with 1, when standard output takes nothing", function()
    login()
    local before = run.folder:read "s.json"
    run.folder:run "mkdir all && cp s.json all"
    for words, expected in pairs {
      keygen = 1, ["--help"] = 1, ["refresh --help"] = 1, ["inspect s.json"] = 1, ["refresh --json s.json"] = 1,
      ["refresh"] = 2, ["refresh-all all"] = 101,
    } do
      local code, out, err = run:grid(words .. " >/dev/full")
      assert.same({ expected, "" }, { code, out }, words)
      if expected ~= 2 then
        assert.matches("grid: cannot write to standard output: No space left on device\n$", err)
      end
    end
    assert.not_equal(before, run.folder:read "s.json")
  end)

  it("puts no text into its connections when it is started without standard input, output or errors", function()
    login()
    for words, expected in pairs {
      ["refresh s.json <&-"] = 0, ["refresh s.json >&-"] = 1, ["refresh s.json 2>&-"] = 0, ["refresh s.json <&- 2>&-"] = 0,
      ["refresh s.json <&- >&- 2>&-"] = 1, ["refresh --json s.json >&- 2>&-"] = 1, ["inspect s.json >&-"] = 1,
      ["keygen >&-"] = 1, ["--help >&-"] = 1, ["refresh-all . >&-"] = 101, ["login --email a@b --session n.json <&-"] = 1,
    } do
      local before = run.folder:read "s.json"
      assert.equal(expected, (run:grid(words)), words)
      assert.equal(words:find "^refresh" == nil, run.folder:read "s.json" == before, words)
    end
    assert.equal("s.json\ntmp", run.folder:list())
    local _, _, err = run:grid "inspect s.json >&-"
    assert.equal("grid: cannot write to standard output: Bad file descriptor\n", err)
  end)

  it("makes a key pair that only its owner can read, and replaces none unasked", function()
    local code, out = run:grid "keygen --out pair --json"
    assert.equal(0, code)
    local told, text = harness.objects(out)[1], run.folder:read "pair"
    local pair = assert(grid.keypair(text))
    assert.equal(pair.public_key, told.public_key)
    assert.is_nil(out:find(text:sub(1, 40), 1, true))
    assert.equal("600", run:mode "pair")
    assert.equal(2, (run:grid "keygen --out pair"))
    assert.equal(text, run.folder:read "pair")
    assert.equal(0, (run:grid "keygen --out pair --force"))
    assert.not_equal(text, run.folder:read "pair")
  end)

  it("gives a private key to a pipe, and with --json no key", function()
    local code, out, err = run:grid "keygen"
    assert.equal(0, code)
    assert.truthy(err:find(assert(grid.keypair(out)).public_key, 1, true))
    assert.equal(2, (run:grid "keygen --json"))
  end)

  it("logs in with a code from standard input, and keeps the session to itself", function()
    local code, out, err = login()
    assert.same({ 0, "" }, { code, err })
    local file = run:json "s.json"
    assert.truthy(out:find(file.address, 1, true))
    assert.equal("600", run:mode "s.json")
    assert_silent(out, err)
    assert(assert(grid.keypair(file.private_key)):open(file.kms_payload))
    assert.equal("s.json\ntmp", run.folder:list())
  end)

  it("replaces a session file by a log-in only when that is asked for", function()
    assert.equal(0, (login()))
    local before, sent = run.folder:read "s.json", run.server:stats().requests
    local code, _, err = run:grid "login --email ann@example.com --session s.json"
    assert.equal(2, code)
    assert.matches("%-%-force", err)
    assert.same({ before, sent }, { run.folder:read "s.json", run.server:stats().requests })
    assert.equal(0, (login "--force"))
    assert.not_equal(before, run.folder:read "s.json")
  end)

  it("ends with 1 after a wrong code, and writes nothing", function()
    local code, out, err = run:shell "echo 000000 | grid login --email ann@example.com --session s.json --json"
    assert.equal(1, code)
    assert.matches("^grid: .*\n$", err)
    assert.is_table(harness.objects(out)[1].error)
    assert.equal("tmp", run.folder:list())
  end)

  it("tells what is in a session, and when it ends, without its secrets", function()
    login()
    local code, out, err = run:grid "inspect s.json"
    assert.equal(0, code)
    for _, row in ipairs { "authorization key +p256:%x+, expires %d+%-%d+%-%d+ %d+:%d+:%d+ UTC, in %d+ min",
      "user token +text:%x+, expires .* UTC, in", "refresh token +text:%x+", "wallet +%w+, solana" } do
      assert.matches(row, out)
    end
    assert_silent(out, err)
    local json_out = select(2, run:grid "inspect s.json --json")
    assert_silent(json_out)
    local facts = harness.objects(json_out)[1]
    assert.is_true(facts.authorization_key.opens)
    assert.is_false(facts.user_token.expired)
    assert.equal(run:json "s.json".address, facts.address)
  end)

  it("shows names that are not UTF-8 as far as that can", function()
    login()
    local shown = { ["k\252nig.json"] = "k\239\191\189nig.json", ["\195\164\255.json"] = "\195\164\239\191\189.json" }
    for name, text in pairs(shown) do
      assert.equal(0, (run:shell(("mv s.json '%s'"):format(name))))
      local code, out = run:grid(("refresh --json '%s'"):format(name))
      assert.same({ 0, text }, { code, harness.objects(out)[1].file })
      local err
      code, out, err = run:grid(("inspect --json '%s.nix'"):format(name))
      assert.equal(1, code)
      assert.equal(("cannot read %s.nix: No such file or directory"):format(text), harness.objects(out)[1].error.message)
      assert.equal(("grid: store error (not_read): cannot read %s.nix: No such file or directory\n"):format(text), err)
      run.folder:run(("mkdir -p all; mv '%s' all"):format(name))
      code, out = run:grid "refresh-all --json all"
      assert.same({ 0, text }, { code, harness.objects(out)[1].file })
      run.folder:run(("mv all/* s.json"):format(name))
    end
  end)

  it("shows as null what is no JSON number", function()
    local code, out = run:shell [[
      echo '{"session":{"Privy":{"token":"a.eyJleHAiOjFlOTk5fQ.","session":{"expires_at":1e999}}}}' >s.json
      grid inspect --json s.json]] -- the claims are {"exp":1e999}
    assert.equal(0, code)
    assert.truthy(out:find('"user_token":{"expired":false,"expires_at":null,', 1, true))
    assert.truthy(out:find('"authorization_key":{"expired":false,"expires_at":253402300799}', 1, true))
  end)

  it("looks into odd sessions without a fault of its own", function()
    run:grid "keygen --out pair"
    for session, provider in pairs {
      ['"abc"'] = "nil", ["[1]"] = "nil", ["[]"] = "nil", ["7"] = "nil", ["null"] = "nil", ['{"Turnkey":{}}'] = "Turnkey",
      ['{"Privy":7}'] = "privy", ['{"Privy":{"session":[],"token":7,"user_id":{}}}'] = "privy",
      ['{"Privy":{"session":{"wallets":[null,7,{"address":[]}],"expires_at":"soon","encrypted_authorization_key":7}}}'] = "privy",
    } do
      run.folder:write("odd.json", ('{"kms_payload":{"session":%s,"provider":[]}}'):format(session))
      for _, words in ipairs { "", " --key pair" } do
        local code, out = run:grid("inspect odd.json --json" .. words)
        assert.equal(0, code, session)
        assert.equal(provider, tostring(harness.objects(out)[1].provider))
        assert.equal(0, (run:grid("inspect odd.json" .. words)), session)
      end
      assert.equal(1, (run:grid "sign odd.json odd.json --key pair"))
    end
  end)

  it("tells that a key does not open what it should", function()
    login()
    run:grid "keygen --out other"
    local facts = harness.objects(select(2, run:grid "inspect s.json --key other --json"))[1]
    assert.is_false(facts.authorization_key.opens)
  end)

  it("names where a key that cannot be read was found", function()
    login()
    run.folder:write("garbage", "not a key\n")
    run.folder:write("odd.json", (run.folder:read("s.json"):gsub('"private_key":"[^"]*"', '"private_key":"not a key"')))
    for words, where in pairs {
      ["s.json --key garbage"] = "the file of --key", ["odd.json"] = "private_key of the session file",
    } do
      local code, _, err = run:grid("inspect " .. words)
      assert.same({ 1, "grid: crypto error (bad_key): " .. where .. ": the key is not base64\n" }, { code, err })
    end
  end)

  it("signs what the service prepared, as the service wants it", function()
    login()
    local file = run:json "s.json"
    local client = grid.new {
      base_url = run.server.https, ca_file = run.server.ca, api_key = harness.API_KEY, environment = "sandbox",
    }
    local prepared = assert(client:update_account(file.address, { threshold = 1 }))
    run.folder:write("prepared.json", require("grid.json").encode(prepared.data))
    local code, out, err = run:grid "sign s.json prepared.json"
    assert.same({ 0, "" }, { code, err })
    local signed = harness.objects(out)[1]
    assert(client:submit(file.address, signed))
    code, out = run:shell [[(printf '{"data":'; cat prepared.json; printf '}') | grid sign s.json]]
    assert.equal(0, code)
    assert.equal(signed.transaction, harness.objects(out)[1].transaction)
    client:close()
  end)

  it("signs nothing for a signer that the session does not hold", function()
    login()
    run.folder:write("p.json", '{"transaction":"AA==","kms_payloads":[{"provider":"privy","address":"Stranger","payload":"e30="}]}')
    local code, out, err = run:grid "sign s.json p.json"
    assert.same({ 1, "" }, { code, out })
    assert.matches("Stranger", err)
  end)

  local MARK, ZERO_WIDTH, NO_BREAK = "\239\187\191", "\226\128\139", "\194\160"

  it("reads an API key alike from the environment, a file and standard input, without what is not seen around it", function()
    login()
    for _, spelled in ipairs {
      "%s", " %s \t", "%s\r\n", MARK .. "%s", MARK .. " %s\n", "%s" .. ZERO_WIDTH .. NO_BREAK, NO_BREAK .. "%s\n\n",
    } do
      local text = spelled:format(harness.API_KEY)
      run.folder:write("key", text)
      for words, key in pairs {
        ["refresh s.json"] = text, ["refresh s.json --api-key-file key"] = "wrong",
        ["refresh s.json --api-key-file - <key"] = "wrong",
      } do
        local code, _, err = run:grid(words, { GRID_API_KEY = key })
        assert.equal(0, code, err)
      end
    end
  end)

  it("refuses an API key with characters inside that are not seen, sends nothing, and does not show it", function()
    login()
    local requests = run.server:stats().requests
    for _, odd in ipairs { "\27", "\t", ZERO_WIDTH, "\194\155", "\255", "\127" } do
      local spelled = "can" .. odd .. "ary"
      run.folder:write("key", spelled)
      for words, key in pairs { ["refresh s.json"] = spelled, ["refresh s.json --api-key-file key"] = "wrong" } do
        local code, out, err = run:grid(words, { GRID_API_KEY = key })
        assert.same({ 2, "" }, { code, out })
        assert.equal(("grid: %s: the API key holds control or invisible characters, or is not UTF-8\n"):format(
          key == "wrong" and "--api-key-file" or "$GRID_API_KEY"), err)
      end
    end
    run.folder:write("key", "\255\254c\0a\0n\0\r\0\n\0")
    assert.equal(2, (run:grid "refresh s.json --api-key-file key"))
    assert.equal(2, (run:grid("refresh s.json", { GRID_API_KEY = "one\ntwo" })))
    assert.equal(requests, run.server:stats().requests)
  end)

  it("reads a one-time password without the blanks and the unseen characters of mail", function()
    for _, spelled in ipairs {
      " \\1 \\2 \r", MARK .. "\\1" .. ZERO_WIDTH .. "\\2" .. NO_BREAK, "\\1" .. NO_BREAK .. "\\2\194\173",
      "\226\128\142\\1\226\128\175\\2\226\129\160",
    } do
      local code, _, err = run:login("s.json", "--force", nil, spelled)
      assert.equal(0, code, err)
    end
  end)

  it("sends no one-time password that holds something else, and says so", function()
    for _, spelled in ipairs { "\\1-\\2", "\"\\1\\2\"", "\\1\27\\2", "\\1\\2.", "\\1\\2\239\188\144", "\\1\8\\2" } do
      local code, out, err = run:login("s.json", "", nil, spelled)
      assert.same({ 1, "" }, { code, out })
      assert.equal("grid: the one-time password holds a character that is neither a letter nor a digit: it was not sent\n", err)
    end
    assert.equal("POST /auth", run.server:last().method .. " " .. run.server:last().path:match "/auth.*")
  end)

  it("reads a session file that an editor has put a byte order mark before", function()
    login()
    run.folder:write("s.json", MARK .. run.folder:read "s.json")
    assert.equal(0, (run:grid "inspect s.json"))
    assert.equal(0, (run:grid "refresh s.json"))
    assert.equal("{", run.folder:read("s.json"):sub(1, 1))
  end)

  it("reads the API key from a file or a line of standard input", function()
    login()
    run.folder:write("key", harness.API_KEY .. "\n")
    assert.equal(0, (run:grid("refresh s.json --api-key-file key", { GRID_API_KEY = "wrong" })))
    assert.equal(0, (run:shell("exec <key; grid refresh s.json --api-key-file -", { GRID_API_KEY = "" })))
    run.folder:write("key", " " .. harness.API_KEY .. " \t\r\n")
    assert.equal(0, (run:grid("refresh s.json --api-key-file key", { GRID_API_KEY = "" })))
    run.folder:write("key", " \n" .. harness.API_KEY)
    assert.equal(2, (run:grid "refresh s.json --api-key-file key"))
    local code, _, err = run:grid("refresh s.json", { GRID_API_KEY = "wrong" })
    assert.equal(1, code)
    assert.matches("^grid: auth error", err)
  end)
end)
