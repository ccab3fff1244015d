-- grid refresh: the content of the file after each kind of failure.

local child = require "spec.support.child"
local grid = require "grid"
local harness = require "spec.command.harness"

describe("grid refresh", function()
  local run

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function() run:clear() end)

  local function refresh_token(name)
    local file = run:json(name)
    return (file.kms_payload or file).session.Privy.refresh_token
  end

  it("renews the session, keeps the key pair and what it does not know, and says so without a secret", function()
    local made = run:write_session "s.json"
    run.server:set { tier = "2" }
    local before = run:json "s.json"
    local code, out, err = run:grid "refresh s.json --json"
    assert.same({ 0, "" }, { code, err })
    local after = run:json "s.json"
    assert.equal(made.private_key, after.private_key)
    assert.equal(made.address, after.address)
    assert.truthy(run.folder:read("s.json"):find('"note":[ ]', 1, true))
    assert.not_equal(made.refresh_token, refresh_token "s.json")
    assert(assert(grid.keypair(after.private_key)):open(after.kms_payload))
    assert.equal("600", run:mode "s.json")
    for _, file in ipairs { before, after } do
      for _, secret in ipairs(harness.secrets(file)) do assert.is_nil(out:find(secret, 1, true)) end
    end
    assert.is_true(harness.objects(out)[1].authorization_key.opens)
    assert.equal("s.json\ntmp", run.folder:list())
    assert.equal("", run.folder:list "tmp")
  end)

  it("leaves a bare payload bare when its key is named", function()
    run:write_session("s.json", true)
    local sent = run.folder:read "s.json"
    assert.equal(0, (run:grid "refresh s.json --key s.json.key"))
    local after = run:json "s.json"
    assert.is_nil(after.private_key)
    assert.equal("privy", after.provider)
    assert.equal("exact", run.server:last().payload)
    assert.not_equal(sent, run.folder:read "s.json")
  end)

  it("sends nothing while the disk is full", function()
    if not child.can_mount() then return pending "no mounts of its own for a program here" end
    local made = run:write_session "s.json"
    run.folder:write("script", "mount -t tmpfs -o size=16k none full && cp s.json full && ! cat /dev/zero >full/x 2>&- && exec "
      .. harness.GRID .. " refresh full/s.json")
    local code, _, err = run:shell "mkdir full && exec unshare -m sh ./script"
    assert.same({ 1, "No space left" }, { code, err:match "No space left" })
    assert.equal(0, run.server:executions("refresh_token", made.refresh_token))
  end)

  it("refuses a bare payload without a key, and makes one when asked", function()
    local made = run:write_session("s.json", true)
    local code, _, err = run:grid "refresh s.json"
    assert.equal(1, code)
    assert.matches("%-%-new%-key", err)
    assert.equal(0, run.server:executions("refresh_token", made.refresh_token))
    assert.equal(0, (run:grid "refresh s.json --new-key"))
    local after = run:json "s.json"
    assert(assert(grid.keypair(after.private_key)):open(after.kms_payload))
  end)

  it("keeps a new key before it sends it, so that a lost answer can be asked for again", function()
    run:write_session("s.json", true)
    run.server:set { mode = "idempotent", tier = "2" }
    run.server:fault { kind = "drop", execute = true }
    local code, out, err = run:grid "refresh s.json --new-key --json"
    assert.equal(1, code)
    assert.matches("unknown", err)
    local key = harness.objects(out)[1].error.idempotency_key
    local private_key = run:json "s.json".private_key
    assert.equal(0, (run:grid("refresh s.json --idempotency-key " .. key)))
    local after = run:json "s.json"
    assert.equal(private_key, after.private_key)
    assert(assert(grid.keypair(private_key)):open(after.kms_payload))
    assert.equal(1, run.server:stats().replays)
  end)

  for what, fault in pairs {
    ["broke off"] = { kind = "truncate", execute = true }, ["is a 502"] = { kind = "status", status = 502, execute = true },
  } do
    it("says how to ask again for an answer that " .. what, function()
      run:write_session "s.json"
      run.server:set { mode = "idempotent", tier = "2" }
      run.server:fault(fault)
      local code, _, err = run:grid "refresh s.json"
      assert.equal(1, code)
      local words = err:match "again: grid (refresh s.json %-%-idempotency%-key %S+)\n"
      assert.equal(0, (run:grid(words)))
      assert.equal(1, run.server:stats().replays)
    end)
  end

  it("names no way to ask again where nothing was executed", function()
    run:write_session "s.json"
    run.server:fault { kind = "status", status = 503, count = 0 }
    for _, words in ipairs { "refresh s.json", "refresh s.json --base-url https://127.0.0.1:1" } do
      local code, _, err = run:grid(words)
      assert.equal(1, code)
      assert.is_nil(err:find("again", 1, true))
    end
  end)

  it("repeats in that command line what it was given, quoted for a shell", function()
    run:write_session("s.json", true)
    run.server:set { mode = "idempotent", tier = "2" }
    run.server:fault { kind = "drop", execute = true }
    run.folder:write("the key", harness.API_KEY)
    local code, _, err = run:shell([[mv s.json "it's s.json"; cp "$GRID_CA_FILE" 'the ca'; url=$GRID_BASE_URL
      unset GRID_CA_FILE GRID_BASE_URL GRID_API_KEY GRID_ENVIRONMENT
      grid refresh "it's s.json" --key s.json.key --ca-file 'the ca' --base-url $url --environment sandbox \
        --api-key-file 'the key' --timeout 5]])
    assert.equal(1, code)
    local words = err:match "again: grid ([^\n]+)\n"
    assert.equal(0, (run:grid(words, { GRID_CA_FILE = "", GRID_BASE_URL = "", GRID_API_KEY = "", GRID_ENVIRONMENT = "" })), words)
    assert.equal(1, run.server:stats().replays)
  end)

  it("keeps the refresh token when the answer has none", function()
    local made = run:write_session "s.json"
    run.server:set { payload_check = "shape" }
    run.server:fault { kind = "no_refresh_token", execute = true }
    assert.equal(0, (run:grid "refresh s.json"))
    assert.equal(made.refresh_token, refresh_token "s.json")
    assert.equal(0, (run:grid "refresh s.json"))
  end)

  -- Root may write anywhere, and gives up that right here. It stays root: another user
  -- might not read this tree.
  local AS_SOMEBODY = 'if [ "$(id -u)" = 0 ]; then as="setpriv --bounding-set -dac_override"; fi\n'

  it("spends nothing where the file cannot be replaced", function()
    local made = run:write_session "s.json"
    local text = run.folder:read "s.json"
    local code, _, err = run:shell(AS_SOMEBODY .. ([[
      mkdir locked && mv s.json locked && chmod 644 locked/s.json && chmod 755 . && chmod 555 locked
      $as %s refresh locked/s.json]]):format(harness.GRID), { GRID_BASE_URL = run.server.http })
    assert.equal(1, code)
    assert.matches("^grid: store error %(not_written%): cannot write locked/s.json", err)
    assert.equal(0, run.server:executions("refresh_token", made.refresh_token))
    assert.equal(0, run.server:stats().requests)
    assert.equal(text, run.folder:read "locked/s.json")
  end)

  it("leaves the file as it was when the service refuses", function()
    run:write_session "s.json"
    local text = run.folder:read "s.json"
    for _, status in ipairs { 400, 401, 410, 500 } do
      run.server:fault { kind = "status", status = status, code = "no_such_thing" }
      local code, out, err = run:grid "refresh s.json --json"
      assert.equal(1, code)
      assert.matches("no_such_thing", err)
      local told = harness.objects(out)[1].error
      assert.same({ status, status < 500 and "final" or "unknown" }, { told.status, told.outcome })
    end
    assert.equal(text, run.folder:read "s.json")
    assert.equal("s.json\ntmp", run.folder:list())
  end)

  it("saves an invalid answer in a file that only the owner can read, and names the file", function()
    run:write_session "s.json"
    local text = run.folder:read "s.json"
    run.server:set { tier = "2" }
    run.server:fault { kind = "trailing", execute = true }
    local code, out, err = run:grid "refresh s.json --json"
    assert.equal(1, code)
    assert.equal(text, run.folder:read "s.json")
    local rescued = harness.objects(out)[1].rescued_to
    assert.truthy(err:find(rescued, 1, true))
    assert.equal(run.folder.path .. "/tmp", rescued:match "^(.*)/")
    assert.equal("600", run:mode(rescued))
    local kept = run.folder:read(rescued:sub(#run.folder.path + 2))
    assert.truthy(kept:find(run.server:control("GET", "/sessions")[1].refresh_token, 1, true))
    assert.is_nil((out .. err):find('"refresh_token"', 1, true))
  end)

  it("saves what it cannot put into the file elsewhere, whole", function()
    local made = run:write_session "s.json"
    run.server:set { tier = "2" }
    run.server:fault { kind = "delay", hold = true, execute = true }
    local code, out = run:shell [[
      mkdir gone && mv s.json gone
      grid refresh gone/s.json --json & held 1; rm -r gone; release; wait $!]]
    assert.equal(1, code)
    local rescued = harness.objects(out)[1].rescued_to
    local file = run:json(rescued:sub(#run.folder.path + 2))
    assert.equal(made.private_key, file.private_key)
    assert.equal(run.server:control("GET", "/sessions")[1].refresh_token, file.kms_payload.session.Privy.refresh_token)
  end)

  for _, signal in ipairs { "INT", "TERM", "HUP" } do
    it("waits for the answer when it is told to end, saves it, and ends with 3: SIG" .. signal, function()
      local made = run:write_session "s.json"
      run.server:set { tier = "2" }
      run.server:fault { kind = "delay", answer_delay = 3, execute = true }
      local code, _, err = run:shell(("%s refresh s.json >out & executed 1; kill -%s $!; wait $!"):format(
        harness.IN_BACKGROUND, signal))
      assert.equal(3, code)
      assert.matches("waiting for the calls in flight", err)
      assert.not_equal(made.refresh_token, refresh_token "s.json")
      assert.matches("authorization key", run.folder:read "out")
    end)
  end

  it("refuses to refresh what another one is refreshing", function()
    local made = run:write_session "s.json"
    run.server:set { tier = "2" }
    run.server:fault { kind = "delay", hold = true, execute = true }
    local code, out = run:shell [[
      grid refresh s.json --json >first & held 1
      grid refresh s.json --json; echo $?; release; wait $!]]
    assert.equal(0, code)
    local object, second = out:match "^([^\n]+)\n(%d+)\n$"
    assert.equal("1", second)
    assert.equal("busy", harness.objects(object)[1].error.code)
    assert.equal(1, run.server:stats().executions)
    assert.not_equal(made.refresh_token, refresh_token "s.json")
    assert.equal(0, (run:grid "refresh s.json"))
  end)

  it("refuses to refresh what another one is refreshing, over NFS too", function()
    run:write_session "s.json"
    run.server:fault { kind = "delay", hold = true, execute = true }
    local code, out = run:shell([[
      grid refresh s.json --json >first & held 1
      grid refresh s.json --json; echo $?; release; wait $!]], run:on_disk { DISK_LOCKS = "nfs" })
    assert.equal(0, code)
    local object, second = out:match "^([^\n]+)\n(%d+)\n$"
    assert.same({ "1", "busy" }, { second, harness.objects(object)[1].error.code })
    assert.equal(1, run.server:stats().executions)
  end)

  it("sends nothing where the file cannot be locked, and names the cause and the remedy", function()
    run:write_session "s.json"
    run.folder:run "mkdir all && cp s.json all"
    local text = run.folder:read "s.json"
    local ENOLCK, EOPNOTSUPP = "37", "95"
    for number, words in pairs { [ENOLCK] = "No locks available", [EOPNOTSUPP] = "Operation not supported" } do
      local env = run:on_disk { DISK_LOCKS = number }
      local code, _, err = run:grid("refresh s.json", env)
      assert.same({ 1, ("grid: store error (not_locked): cannot lock %s/s.json: %s; move it to a file system with locks, "
        .. "so that one process at a time replaces it\n"):format(run.folder.path, words) }, { code, err })
      assert.equal(1, (run:grid("refresh-all all", env)))
      assert.equal(1, (run:grid("login --email ann@example.com --session s.json --force", env)))
      assert.equal(1, (run:grid("keygen --out s.json --force", env)))
    end
    assert.equal(0, run.server:stats().requests)
    assert.equal(text, run.folder:read "s.json")
  end)

  it("sends nothing where the file has a second name, which would keep the old session", function()
    run:write_session "s.json"
    run.folder:run "mkdir all && cp s.json all && ln all/s.json all/other.json"
    run.folder:run "ln s.json other.json && ln -s other.json link.json"
    local text = run.folder:read "s.json"
    for _, name in ipairs { "s.json", "other.json", "link.json" } do
      local code, _, err = run:grid("refresh " .. name)
      assert.same({ 1, ("grid: store error (hard_linked): cannot replace %s: it has 2 hard links, and the others would keep "
        .. "what is in it; use symbolic links\n"):format(name) }, { code, err })
    end
    assert.equal(2, (run:grid "refresh-all all"))
    assert.equal(0, run.server:stats().requests)
    assert.equal(text, run.folder:read "s.json")
    assert.equal(0, (run:shell "rm other.json && grid refresh s.json"))
  end)

  it("loses nothing to a signal at any other time #slow", function()
    run.server:set { tier = "2" }
    for i = 1, 30 do
      run:write_session "s.json"
      run:shell(("%s refresh s.json >/dev/null 2>&1 & sleep %.3f; kill -INT $! 2>/dev/null; wait $!"):format(
        harness.IN_BACKGROUND, 0.01 + i * 0.002))
      assert.equal(0, (run:grid "refresh s.json"))
    end
  end)

  it("leaves the old file or the new one when it is killed, never a half #slow", function()
    run.server:set { tier = "1" }
    run:write_session "s.json"
    local changed, tries, delay = 0, 0, 0
    while tries < 25 or changed == 0 and delay < 10 do
      tries = tries + 1
      delay = tries <= 25 and tries * 0.003 or delay * 2 -- where all takes longer
      local before = run.folder:read "s.json"
      run:shell(("%s refresh s.json >/dev/null 2>&1 & sleep %.3f; kill -9 $! 2>/dev/null; wait $!"):format(harness.GRID, delay))
      local after = run.folder:read "s.json"
      if after ~= before then changed = changed + 1 end
      local file = run:json "s.json"
      assert(assert(grid.keypair(file.private_key)):open(file.kms_payload))
    end
    assert.is_true(changed > 0, "no refresh got through before its end")
  end)

  it("goes through a symbolic link, which stays one", function()
    run:write_session "s.json"
    local text = run.folder:read "s.json"
    assert.equal(0, (run:shell "mkdir real && mv s.json real && ln -s real/s.json s.json && grid refresh s.json"))
    assert.equal("real/s.json", run:said "readlink s.json")
    assert.not_equal(text, run.folder:read "real/s.json")
  end)
end)
