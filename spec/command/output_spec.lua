-- The output of the command with text of files and services: no control character reaches
-- a terminal, and JSON holds the exact text.

local harness = require "spec.command.harness"
local json = require "spec.sandbox.json"

describe("the command", function()
  local run

  setup(function() run = harness.start() end)
  teardown(function() run:stop() end)
  before_each(function() run:clear() end)

  -- CSI, which turns text red; the order of reading reversed; what is not seen; a line of
  -- one's own.
  local ODD = "od\194\15531md\226\128\174\226\129\166\226\128\139\239\187\191\27[31m\127\226\128\168name"
  local SHOWN = "od 31md [31m name"

  -- Nothing but line ends and printable ASCII.
  local function assert_plain(...)
    assert.is_nil(table.concat { ... }:find "[^\n\32-\126]")
  end

  it("gives no order to the terminal, whatever the names of files and members of sessions hold", function()
    run:login "s.json"
    local file = run:json "s.json"
    local privy = file.kms_payload.session.Privy
    file.address, privy.user_id, privy.session.wallets[1].address = ODD, "user" .. ODD, "wallet" .. ODD
    run.folder:write("all-" .. ODD .. ".json", run.folder:read "s.json")
    run.folder:write("odd.json", json.encode(file))
    local code, out, err = run:grid "inspect odd.json"
    assert.same({ 0, "" }, { code, err })
    for _, row in ipairs { "account             ", "user                user", "wallet              wallet" } do
      assert.truthy(("\n" .. out):find("\n" .. row .. SHOWN, 1, true), out)
    end
    assert_plain(out)
    out = select(2, run:grid "inspect --json odd.json")
    assert_plain(out)
    local facts = harness.objects(out)[1]
    assert.same({ ODD, "user" .. ODD, "wallet" .. ODD }, { facts.address, facts.user_id, facts.wallets[1].address })
    run.folder:run "mkdir all; mv all-* all"
    code, out, err = run:grid "refresh-all all"
    assert.equal(0, code, err)
    assert.truthy(out:find("all-" .. SHOWN .. ".json: refreshed", 1, true), out)
    assert_plain(out, err)
    out = select(2, run:grid "refresh-all --json all")
    assert_plain(out)
    assert.equal("all-" .. ODD .. ".json", harness.objects(out)[1].file)
    run.folder:run "cd all; for name in *; do echo x >\"$name\"; done"
    code, out, err = run:grid "refresh-all all"
    assert.equal(1, code)
    assert.truthy(err:find("all-" .. SHOWN .. ".json: grid: store error", 1, true), err)
    assert_plain(out, err)
  end)

  it("gives no order to the terminal, whatever the service says", function()
    run:login "s.json"
    for _, words in ipairs { "refresh s.json", "refresh-all .", "refresh --json s.json" } do
      run.server:fault { kind = "body", status = 400, body = json.encode {
        error = { code = "code" .. ODD, message = "message" .. ODD } } }
      local code, out, err = run:grid(words)
      assert.equal(1, code)
      assert.truthy(err:find(("(code%s): message%s [request "):format(SHOWN, SHOWN), 1, true), err)
      assert_plain(out, err)
    end
  end)
end)
