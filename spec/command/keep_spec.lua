-- `grid keep`: each step is a process, on a store of files, against the authorization
-- server of the sandbox. The command `grid keep run` has a spec of its own.

local child = require "spec.support.child"
local harness = require "spec.command.harness"
local json = require "spec.sandbox.json"
local keep_harness = require "spec.command.keep_harness"
local pages = require "spec.support.pages"
local redis = require "spec.support.redis"

describe("grid keep", function()
  local keep, server, folder

  setup(function()
    keep = keep_harness.start()
    server = keep.server
  end)
  teardown(function() keep:stop() end)

  before_each(function() folder = keep:begin() end)
  after_each(function() folder:remove() end)

  local function configure(...) return keep:configure(...) end
  local function shell(script) return keep:shell(script) end
  local function add(...) return keep:add(...) end

  it("takes tokens in, and gives a token, a header, the state, the names; refreshes; removes", function()
    local tokens = add "ann"
    add "bob"
    assert.same({ 0, tokens.access_token .. "\n", "" }, { shell "keep get ann --field access_token" })
    assert.same({ 0, "Authorization: Bearer " .. tokens.access_token .. "\n", "" }, { shell "keep get ann --header" })
    assert.same({ 0, "ann\nbob\n", "" }, { shell "keep list" })
    local code, out = shell "keep status ann"
    assert.equal(0, code)
    assert.matches("state%s+fresh\n", out)
    assert.matches("generation%s+1\n", out)
    assert.matches("generation%s+2\n", (select(2, shell "keep refresh ann")))
    assert.equal(3, harness.objects(select(2, shell "keep refresh ann --json"))[1].generation)
    local status = harness.objects(select(2, shell "keep status ann --json"))[1]
    assert.same({ "ann", 3, "fresh" }, { status.id, status.generation, status.state })
    assert.not_equal(tokens.access_token .. "\n", select(2, shell "keep get ann --field access_token"))
    assert.equal(0, (shell "keep remove ann --revoke"))
    assert.same({ 0, "bob\n", "" }, { shell "keep list" })
    local err
    code, out, err = shell "keep get ann"
    local told = "grid: the store is grid.store.file: sessions\n"
      .. "grid: store error (not_found): the store has no session 'ann': add the tokens of a log-in (grid keep add)\n"
    assert.same({ 1, "", told }, { code, out, err })
  end)

  it("keeps sessions in Redis, as a user with a password, over TCP or a socket, and tells its durability", function()
    local store = redis.start(("unixsocket \"%s/redis.sock\""):format(folder.path))
    store:client():config("set", "requirepass", "canary-password")
    folder:write("password", "canary-password\n")
    folder:write("wrong", "canary-wrong\n")
    for i, redis_section in ipairs {
      { port = store.port, password_file = "password" },
      { socket = "redis.sock", username = "default", password_file = "password", prefix = "other:" },
    } do
      configure(nil, { directory = false, redis = redis_section })
      local tokens = add("ann", 1)
      assert.same({ 0, "ann\n", "" }, { shell 'cd / && grid keep list --config "$OLDPWD/keeper.json"' })
      assert.matches("generation%s+2\n", (select(2, shell "keep refresh ann")))
      local status = harness.objects(select(2, shell "keep status ann --json"))[1]
      assert.same({ 2, "in the memory of Redis: a crash loses all changes since its last snapshot" },
        { status.generation, status.durability })
      assert.not_equal(tokens.access_token .. "\n", select(2, shell "keep get ann --field access_token"))
      if i == 2 then assert.equal(0, (shell "keep remove ann")) end
    end
    configure(nil, { directory = false, redis = { port = store.port, password_file = "wrong" } })
    local code, out, err = shell "keep status ann"
    local without = { shell [[export LUA_INIT="package.preload.redis = error"; keep list]] }
    store:stop()
    assert.same({ 1, "" }, { without[1], without[2] })
    assert.matches("needs the Lua module redis%-lua: install it %(`luarocks install %-%-lua%-version 5%.[14] redis", without[3])
    assert.same({ 1, "" }, { code, out })
    assert.matches("not_connected.*WRONGPASS", err)
    assert.not_matches("canary", err)
  end)

  it("runs on when Redis has ended its connection between two rounds", function()
    local store = redis.start()
    configure(nil, { directory = false, redis = { port = store.port } })
    folder:write("kill.lua", ([[
      local client = require("redis").connect("127.0.0.1", %d)
      client:raw_cmd "CLIENT KILL TYPE normal\r\n"]]):format(store.port))
    local code, out, err = shell(([[
      KEEP run --config keeper.json --every 1.2 >out & sleep 0.6; %s kill.lua; sleep 1.2; kill $!; wait $!; echo $?; cat out]])
      :format(child.vm))
    store:stop()
    assert.same({ 0, "0\n", "" }, { code, out, err })
  end)

  it("ends when a Redis behind a socket does not answer #slow", function()
    local store = redis.start(("unixsocket \"%s/redis.sock\""):format(folder.path))
    configure(nil, { directory = false, redis = { socket = "redis.sock" } })
    os.execute("kill -STOP " .. store.pid)
    local code, out, err = shell("timeout -s KILL 20 " .. harness.GRID .. " keep list --config keeper.json")
    store:stop()
    assert.same({ 1, "" }, { code, out })
    assert.matches("not_answered.*timeout", err)
  end)

  it("gives what has a session, and says what a session has not", function()
    add "ann"
    for words, expected in pairs {
      ["get ann --field id_token"] = { 1, "the session 'ann' has no id_token" },
      ["get ann --field acces_token"] = { 2, "no field 'acces_token', did you mean 'access_token'?" },
      ["get ann --field refresh_token"] = { 2, "no field 'refresh_token'; `grid keep get --help` lists the fields" },
      ["get ann --field scope --header"] = { 2, "give --field or --header, not both" },
      ["get ann --header --json"] = { 2, "--json shows no secret" },
      ["get ann --timeout -1"] = { 2, "--timeout must be a number of seconds, 0 or more" },
      ["run --every 0"] = { 2, "--every must be greater than 0" },
      ["run --metrics no/such/folder"] = { 1, "cannot write the metrics: no/such/folder.tmp: No such file" },
      ["add <secret"] = { 2, "ID is missing" },
      ["add ann </dev/null"] = { 1, "standard input is empty: give the tokens of a log-in there" },
      ["add ann <secret"] = { 1, "bad_tokens" },
      ["add --session ann.json"] = { 2, "--session is of Grid, and keeper.json has no 'grid'" },
      ["get " .. ("n"):rep(256)] = { 2, "ID must have 1 to 255 bytes" },
    } do
      local code, out, err = shell("keep " .. words)
      assert.same({ expected[1], words:find "json" ~= nil and out or "" }, { code, out }, words)
      assert.is_truthy(err:find(expected[2], 1, true), words .. ": " .. err)
    end
  end)

  it("makes a header of no token that a header cannot hold, or that needs a proof", function()
    for type, token in pairs { DPoP = "abc", Bearer = "abc\r\nX-Other: 1" } do
      folder:write("tokens", (json.encode { access_token = token, refresh_token = "r", token_type = type, expires_in = 3600 }))
      local code, out, err = shell "keep add ann --replace <tokens >added; keep get ann --header"
      assert.same({ 1, "" }, { code, out }, type)
      assert.is_nil(err:find("abc", 1, true), err)
    end
  end)

  it("helps with each verb, and refuses other ones", function()
    for verb in select(2, shell "grid keep --help"):gmatch "\n  (%l+) +%l" do
      local code, out = shell("grid keep " .. verb .. " --help")
      assert.equal(0, code)
      assert.matches("^usage: grid keep " .. verb .. " .-%-%-config FILE.-exit codes:", out)
      assert.equal(out, select(2, shell("grid help keep " .. verb)))
    end
    assert.same({ 2, "", "grid: keep: there is no verb 'gte', did you mean 'get'?\n" }, { shell "grid keep gte" })
    assert.same({ 2, "", "grid: keep: there is no verb 'frobnicate'; `grid keep --help` lists the verbs\n" },
      { shell "grid keep frobnicate" })
    assert.same({ 2, "", "grid: keep: no verb is given; `grid keep --help` lists them\n" }, { shell "grid keep" })
    assert.same({ 2, "", "grid: keep get: option '--config' is missing\n" }, { shell "grid keep get ann" })
  end)

  it("refuses a configuration that is wrong or holds a secret, and says what to write", function()
    folder:write("key", "canary\n")
    local function refuses(code, text, more, top)
      configure(more, top)
      local got, out, err = shell "keep get ann"
      assert.same({ code, "" }, { got, out }, text)
      assert.is_truthy(err:find(text, 1, true), err)
      assert.is_nil(err:find "canary")
    end
    for name, file in pairs { client_secret = "client_secret_file", private_key = "private_key_file" } do
      refuses(2, ("keeper.json: oauth2: '%s' is a secret: write it to a file, and name that file in '%s'"):format(name, file),
        { [name] = "canary" })
    end
    refuses(2, "'api_key' is a secret", nil, { oauth2 = false, grid = { api_key = "canary" } })
    refuses(2, "'seal_keys' is a secret", nil, { seal_keys = { "canary" } })
    refuses(2, "keeper.json: oauth2: unknown field 'client_idd', did you mean 'client_id'?", { client_idd = "x" })
    refuses(2, "keeper.json: unknown field 'directry', did you mean 'directory'?", nil, { directry = "x" })
    refuses(2, "keeper.json: name either 'directory' or 'redis'", nil, { directory = false })
    refuses(2, "keeper.json: name either 'directory' or 'redis'", nil, { redis = {} })
    refuses(2, "keeper.json: redis: 'password' is a secret", nil, { directory = false, redis = { password = "canary" } })
    refuses(2, "keeper.json: redis: unknown field 'hots', did you mean 'host'?", nil, { directory = false, redis = { hots = "x" } })
    refuses(2, "keeper.json: redis: 'port' is not used with 'socket'", nil,
      { directory = false, redis = { socket = "s", port = 1 } })
    refuses(2, "keeper.json: redis: 'username' is not used without 'password_file'", nil,
      { directory = false, redis = { username = "u" } })
    refuses(2, "keeper.json: redis: 'prefix' must be a string without braces", nil, { directory = false, redis = { prefix = "{" } })
    refuses(1, "cannot read nowhere", nil, { directory = false, redis = { password_file = "nowhere" } })
    refuses(1, "no connection to Redis", nil, { directory = false, redis = { port = 1 } })
    refuses(2, "keeper.json: name either 'oauth2' or 'grid'", nil, { grid = {} })
    refuses(2, "keeper.json: name either 'oauth2' or 'grid'", nil, { oauth2 = false })
    refuses(2, "keeper.json: grid: no API key", nil, { oauth2 = false, grid = {} })
    refuses(2, "keeper.json: oauth2: field 'reuse_seconds' is missing", { reuse = "grace" })
    refuses(1, "key holds no key: write 64 hexadecimal digits", nil, { seal_key_files = { "key" } })
    refuses(1, "cannot read nowhere", { client_secret_file = "nowhere" })
    refuses(2, "keeper.json: oauth2: 'client_secret_file' is not used with client_auth = \"none\"", { client_auth = "none" })
    for text, fault in pairs { ["[]"] = "\n", ['{ "directory": "x", }'] = ": not JSON at byte 20" } do
      folder:write("keeper.json", text)
      local code, _, err = shell "keep list"
      assert.equal(2, code)
      assert.is_truthy(err:find("grid: keeper.json holds no JSON object" .. fault, 1, true), err)
    end
  end)

  it("shows no token but where it is asked for one, and leaves none in a sealed store", function()
    folder:write("key", ("0f"):rep(32) .. "\n")
    configure(nil, { seal_key_files = { "key" }, spool = "spool" })
    local tokens = add("ann", 1)
    local code, out, err = shell [[
      keep get ann --json; keep status ann; keep refresh ann; keep list
      keep get ann --field access_token >current
      KEEP run --config keeper.json --every 0.1 --metrics m.prom >run 2>&1 & until [ -s m.prom ]; do sleep 0.05; done
      kill $!; wait $!
      cat run m.prom $(find sessions -type f)]]
    assert.equal(0, code)
    local newest = server:all_families()[1]
    assert.equal(newest.access_token .. "\n", folder:read "current")
    for _, secret in ipairs {
      tokens.access_token, tokens.refresh_token, newest.access_token, newest.refresh_token, server.client_secret,
    } do
      assert.is_nil((out .. err):find(secret, 1, true))
    end
  end)

  it("tells that its spool cannot be used before the spool is needed", function()
    configure(nil, { spool = "secret/spool" })
    add("ann", 0.001)
    local told = "grid: the spool, or an entry in it, cannot be used: cannot read the folder secret/spool: Not a directory\n"
    local code, out, err = shell "keep get ann --field token_type"
    assert.same({ 0, "Bearer\n", told }, { code, out, err })
    code, out, err = shell [[
      KEEP run --config keeper.json --every 0.1 >out & until [ -s out ]; do sleep 0.05; done; kill $!; wait $!; cat out]]
    assert.same({ 0, "failed: store (spool_not_read)\n", told }, { code, out, err })
  end)

  it("tells what to do about a session that is dead, and no times of it", function()
    add("ann", 3600)
    server:set { refresh_lifetime = 0 }
    local code, out, err = shell "keep refresh ann >out; keep status ann; keep add ann <secret; keep get ann"
    assert.equal(1, code)
    assert.matches("state%s+dead\ngeneration%s+1\nrefreshing", out)
    local advice = "the session 'ann' has ended, since the server refused the refresh token (invalid_grant): log in again, "
      .. "and add it with replace = true (grid keep add --replace)"
    assert.is_truthy(err:find(advice, 1, true), err)
  end)

  it("refreshes once for eight that ask at once", function()
    add("ann", 0.001)
    local code, out, err = shell "for i in 1 2 3 4 5 6 7 8; do keep get ann --timeout 60 --field access_token & done; wait"
    assert.same({ 0, "" }, { code, err })
    local counts = server:counts()
    assert.same({ 1, 1, 0 }, { counts.executions, counts.rotations, counts.reuses })
    assert.equal((server:all_families()[1].access_token .. "\n"):rep(8), out)
  end)

  it("goes on after a kill in mid-refresh, and loses nothing", function()
    server:set { mode = "idempotent" }
    configure { reuse = "idempotent", idempotency_header = "Idempotency-Key" }
    add("ann", 0.001)
    server:fault { kind = "delay", hold = true }
    local code, out, err = shell [[
      KEEP get ann --config keeper.json >out 2>&1 & held 1; kill -9 $!; wait $! 2>/dev/null; release
      keep get ann --timeout 60 --field access_token]]
    assert.same({ 0, "" }, { code, err })
    local counts, family = server:counts(), server:all_families()[1]
    assert.same({ 1, 1, 0 }, { counts.rotations, counts.replays, counts.reuses })
    assert.equal(family.access_token .. "\n", out)
    assert.is_true(family.living)
  end)

  it("does not end before the store has the new token", function()
    configure(nil, { timeout = 3 })
    add("ann", 0.001)
    server:fault { kind = "delay", hold = true }
    local code, out, err = shell [[
      KEEP refresh ann --config keeper.json >out 2>err & held 1; mv sessions away; touch sessions; release
      until grep -q waiting err; do kill -0 $! || exit 9; sleep 0.05; done
      rm sessions; mv away sessions; wait $!; keep get ann --field access_token]]
    assert.same({ 0, "" }, { code, err })
    assert.equal(server:all_families()[1].access_token .. "\n", out)
  end)

  for words, moment in pairs {
    ["get ann --config keeper.json"] = "until grep -q waiting err; do sleep 0.05; done",
    ["run --config keeper.json --every 0.1"] =
      "until ! grep -q '\"held\":1' stats; do curl -s $STATS >stats; sleep 0.1; done; sleep 0.5",
  } do
    it("ends with 1, and says so, if a signal ends its wait for the store: " .. words, function()
      configure(nil, { timeout = 3 })
      add("ann", 0.001)
      server:fault { kind = "delay", hold = true }
      local code, out, err = shell(([[
        STATS=%s/_control/stats
        KEEP %s >out 2>err & held 1; curl -s $STATS >stats; mv sessions away; touch sessions; release
        %s; kill $!; wait $!; echo $?; rm sessions; mv away sessions; cat err]]):format(server.http, words, moment))
      assert.same({ 0, "" }, { code, err })
      assert.matches("^1\n.*neither the store nor a spool took new tokens", out)
    end)
  end

  it("takes no secret from a command line, and does not repeat one", function()
    for _, name in ipairs { "refresh-token", "access-token", "client-secret" } do
      local code, out, err = shell("keep add ann --" .. name .. "=canary")
      assert.same({ 2, "" }, { code, out })
      assert.matches("does? not belong on a command line", (err:gsub("do not", "does not")))
      assert.is_nil(err:find "canary")
    end
  end)

  it("sends nothing when the store cannot be written", function()
    add("ann", 0.001)
    local code, out, err = shell "mkdir c; mv sessions/tmp c; touch sessions/tmp; chmod -R a-w sessions; keep get ann"
    assert.same({ 1, "" }, { code, out })
    assert.matches("^grid: timeout error %(session_expired%): .- in time: .- %(not_written%)\n$", err)
    assert.equal(0, server:counts().executions)
    folder:run "chmod -R u+w sessions"
  end)

  it("imports the session files of the other commands", function()
    local run = harness.start()
    local made = run:write_session "ann.json"
    run:write_session("bare.json", true)
    run.folder:write("api.key", harness.API_KEY .. "\n")
    run.folder:write("keeper.json", (json.encode {
      directory = "kept",
      grid = { base_url = run.server.https, environment = "sandbox", ca_file = run.server.ca, api_key_file = "api.key" },
    }))
    local code, out, err = run:shell([[
      grid keep add --session ann.json --config keeper.json >/dev/null
      grid keep add --session bare.json --key bare.json.key bob --config keeper.json >/dev/null
      grid keep list --config keeper.json
      grid keep get ann --field kms_payload_json --config keeper.json >before
      grid keep refresh ann --json --config keeper.json]], { GRID_API_KEY = "" })
    assert.same({ 0, "" }, { code, err })
    assert.matches('^ann\nbob\n{.*"generation":2', out)
    assert.equal(made.kms_payload_json .. "\n", run.folder:read "before")
    run:stop()
  end)

  it("has an example of a configuration for them", function()
    local text = pages.read "spec/examples/keeper/keeper.json"
    folder:write("keeper.json", (text:gsub("/var/lib/grid", "."):gsub("https://auth.example.com/token", server.token_url)))
    folder:write("client.secret", server.client_secret .. "\n")
    local code, out, err = shell "openssl rand -hex 32 >seal.key"
    assert.same({ 0, "", "" }, { code, out, err })
    add("me", 1)
    code, out, err = shell "keep get me --min-ttl 360"
    assert.same({ 0, "" }, { code, err })
    assert.matches("generation%s+2\n", out)
    assert.equal("sessions spool", (folder:list():gsub("\n", " "):match "sessions spool"))
  end)

  it("has examples of a unit and of a line for cron whose commands are right", function()
    local unit, cron = pages.read "spec/examples/keeper/grid-keep.service", pages.read "spec/examples/keeper/grid-keep.cron"
    local commands = { unit:match "\nExecStart=/usr/local/bin/grid keep (%l+) ([^\n]+)\n" }
    commands[3], commands[4] = cron:match "\n%*/2 %* %* %* %* %l+ /usr/local/bin/grid keep (%l+) ([^\n>]+)"
    for i = 1, 3, 2 do
      local code, _, err = shell(("grid keep %s %s"):format(commands[i], commands[i + 1]))
      assert.equal(1, code)
      assert.matches("^grid: .*/etc/grid/keeper.json", err)
    end
    add("me", 0.001)
    local code, out, err = shell("sleep 1; grid keep run " .. commands[4]:gsub("/etc/grid/", ""))
    assert.same({ 0, "refreshed me, generation 2\n", "" }, { code, out, err })
    code, out, err = folder:run(([[
      command -v systemd-analyze >/dev/null || exit 0
      sed 's,/usr/local/bin/grid,/bin/true,; s/^User=.*/User=root/' %s >grid-keep.service
      systemd-analyze verify ./grid-keep.service]]):format(child.path "spec/examples/keeper/grid-keep.service"))
    assert.same({ 0, "", "" }, { code, out, err })
  end)
end)
