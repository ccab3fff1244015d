-- The pages of doc and of the folders below spec: their blocks run, their links exist,
-- they fit on a screen, and they name the files that exist.

local child = require "spec.support.child"
local core = require "grid.core"
local pages = require "spec.support.pages"

local LINES_OF_A_SCREEN = 50

local FOLDERS = { "spec/examples/", "spec/examples/openid/", "spec/examples/keeper/", "spec/bench/", "spec/sandbox/" }

local function names_of(command)
  local names = {}
  for name in child.capture(command):gmatch "[^\n]+" do names[#names + 1] = name end
  assert.is_true(#names > 0, command)
  return names
end

local function assert_names(text, names)
  for _, name in ipairs(names) do assert.is_truthy(text:find("`" .. name .. "`", 1, true), name) end
end

-- The gateway's folder is the test's own.
local function copies_the_gateway(folder, command)
  local code, _, err = folder:run(command:gsub("/etc/grid%-gateway", "'" .. folder.path .. "'"), {}, child.root)
  assert.equal(0, code, err)
end

-- The folder stands for the root of the file system, and this user for the user `grid`.
local function installs(folder, command)
  folder:run "mkdir -p etc/grid etc/cron.d etc/systemd/system"
  local inside = command:gsub("%-[og] grid ", ""):gsub(" /(%l+)/", function(name)
    return name ~= "dev" and (" '%s'/%s/"):format(folder.path, name) or nil
  end)
  local code, _, err = folder:run(inside, {}, child.root)
  assert.same({ 0, "" }, { code, err })
  assert.is_true(core.file_exists(folder.path .. command:match "%S+$"))
end

-- By how a command begins; the longest prefix that fits counts.
local COMMANDS = {
  ["make "] = pages.can_be_made,
  ["spec/sandbox/run"] = pages.starts_a_sandbox,
  ["spec/sandbox/run --help"] = function(folder, command)
    local code, out = folder:run(child.path "" .. command)
    assert.equal(0, code)
    assert.matches("%-%-token%-lifetime", out)
  end,
  ["spec/bench/run --quick "] = function(_, command) -- `make bench-quick` runs it
    pages.read("spec/bench/" .. command:match "%S+$" .. ".lua")
  end,
  ["mkdir "] = copies_the_gateway,
  ["cp "] = function(folder, command)
    copies_the_gateway(folder, command)
    assert.equal(pages.read "spec/examples/gateway/gateway.lua", (folder:read "gateway.lua"))
    assert.equal(pages.read "spec/examples/gateway/nginx.conf", (folder:read "nginx.conf"))
  end,
  ["install "] = installs,
  ["openssl rand "] = installs,
  ["grid keep add "] = function() end, -- spec/command/keep_spec.lua adds to that configuration
  ["useradd "] = function(_, command) -- the user of the unit
    assert.is_truthy(pages.read "spec/examples/keeper/grid-keep.service":find("\nUser=" .. command:match "%S+$" .. "\n"))
  end,
  ["systemctl "] = function(_, command) pages.read("spec/examples/keeper/" .. command:match "%S+$" .. ".service") end,
  ["nginx "] = function(_, command) -- spec/nginx/gateway_spec.lua runs it
    assert.is_truthy(pages.read "spec/examples/gateway/nginx.conf":find(command, 1, true))
  end,
}

local function check_of(command)
  local best = ""
  for prefix in pairs(COMMANDS) do
    if #prefix > #best and command:sub(1, #prefix) == prefix then best = prefix end
  end
  return COMMANDS[best]
end

for _, path in ipairs(FOLDERS) do
  describe("the README of " .. path, function()
    local text = pages.read(path .. "README.md")
    local blocks = pages.blocks(text)
    local folder

    before_each(function() folder = child.folder() end)
    after_each(function() folder:remove() end)

    it("is a screen long, and its links lead to files", function()
      assert.is_true(select(2, text:gsub("\n", "\n")) <= LINES_OF_A_SCREEN)
      pages.check_links(text, path)
    end)

    for _, command in ipairs(pages.commands(blocks)) do
      it("tells a command that works: " .. command, function()
        assert(check_of(command), "nothing here knows the command")(folder, command)
      end)
    end

    for _, block in ipairs(blocks) do
      if block.language ~= "sh" then
        it("has a block that runs: line " .. block.line, function()
          assert.equal("lua", block.language)
          folder:write("block.lua", block.text)
          local code, out, err = folder:run("exec env " .. child.vm .. " block.lua")
          assert.same({ 0, "0\t0\n" }, { code, out }, err)
        end)
      end
    end
  end)
end

-- The names of a declared list of the sandbox.
local function declared_in(file, list)
  local part, names = pages.read("spec/sandbox/" .. file .. ".lua"):match("\nlocal " .. list .. " = (%b{})"), {}
  for line in part:sub(2, -2):gmatch "[^\n]+" do
    for name in line:gsub("%-%-.*", ""):gsub("%b{}", ""):gmatch "([%l_%d]+) = " do names[#names + 1] = name end
  end
  assert.is_true(#names > 5, list)
  return names
end

describe("the pages", function()
  it("name each benchmark and its helpers", function()
    local text = pages.read "spec/bench/README.md"
    assert_names(text, names_of "cd spec/bench && ls *.c *.lua nginx/bench.lua nginx/cosocket.lua")
  end)

  it("name each example, and each location of the gateway", function()
    local text = pages.read "spec/examples/README.md"
    assert_names(text, names_of "cd spec/examples && find * -type f ! -name README.md")
    for location in pages.read "spec/examples/gateway/nginx.conf":gmatch "location = (/%S+)" do
      assert_names(text, { "POST " .. location })
    end
    text = pages.read "spec/examples/openid/README.md"
    for location in pages.read "spec/examples/openid/nginx.conf":gmatch "location = (/%S+)" do
      assert_names(text, { location })
    end
  end)

  it("name each setting and each fault of the sandbox", function()
    local text = pages.read "doc/sandbox.md"
    for list, file in pairs { DECLARED = "settings", COMMON = "faults", KINDS = "faults" } do
      for _, name in ipairs(declared_in(file, list)) do
        assert.is_truthy(text:find("\n|[^|\n]*`" .. name .. "`[^|\n]*|"), name)
      end
    end
    pages.check_links(text, "doc/")
  end)
end)
