-- Every command in a block of shell of README.md and doc runs, or is checked in the way
-- named here. A command that no way is named for fails.

local child = require "spec.support.child"
local harness = require "spec.command.harness"
local keeper_examples = require "spec.readme.keeper_examples"
local pages = require "spec.support.pages"

local function is_installed_by_setup(folder, command)
  local setup = pages.read "spec/support/setup"
  for package in command:match("apt%-get install (.*)"):gmatch "%S+" do
    assert.is_truthy((" " .. setup:gsub("[|'\n]", " ")):find(" " .. package .. " ", 1, true), package)
  end
  assert.equal("", folder:list())
end

-- Root and LuaRocks' own tree stay out of it: `make rock-test` runs the same command with
-- a tree of its own.
local function is_what_rock_test_does(_, command)
  assert.matches("luarocks make --deps-mode=none --lua-version", pages.read "spec/support/rock-test", 1, true)
  assert.matches("luarocks make %-%-deps%-mode=none %-%-lua%-version 5%.[14]$", command)
end

-- With what it needs in the folder: a session file, a folder of them, a bare kms_payload
-- and its key, a prepared transaction, a code on standard input.
local function works_on_a_sandbox(_, command)
  local run = harness.start()
  local address = run:write_session("ann.json").address
  run.folder:run "mkdir sessions"
  run:write_session "sessions/bob.json"
  run:write_session("kms_payload.json", true)
  run.folder:run "mv kms_payload.json.key private.key"
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

-- By how a command begins, without the text behind a '#'; the longest prefix that fits
-- counts.
local COMMANDS = {
  ["sudo apt-get install "] = is_installed_by_setup,
  ["sudo luarocks make "] = is_what_rock_test_does,
  ["sudo make install "] = pages.can_be_made,
  ["make "] = pages.can_be_made,
  ["grid "] = works_on_a_sandbox,
  ["grid keep "] = keeper_examples.command,
  ["spec/sandbox/run"] = pages.starts_a_sandbox,
}

local function coverage_of(command)
  local best = ""
  for prefix in pairs(COMMANDS) do
    if #prefix > #best and command:sub(1, #prefix) == prefix then best = prefix end
  end
  return COMMANDS[best]
end

describe("the documentation #slow", function()
  local folder

  before_each(function() folder = child.folder() end)
  after_each(function() folder:remove() end)

  for _, page in ipairs(pages.documents()) do
    for _, command in ipairs(pages.commands(page.blocks)) do
      it(("names a command that works: %s (%s)"):format(command, page.path), function()
        local check = coverage_of(command)
        assert.is_truthy(check, "no check is named for the command")
        check(folder, command)
      end)
    end
  end

  it("names only make targets that exist", function()
    local seen = {}
    for _, page in ipairs(pages.documents()) do
      for target in page.text:gmatch "`make ([%l-]+)" do seen[target] = true end
    end
    for target in pairs(seen) do pages.can_be_made(folder, "make " .. target) end
  end)
end)
